// The suite's servers listen on all interfaces. Tests stay on this machine.
const net = require("node:net");
const listen = net.Server.prototype._listen2;
net.Server.prototype._listen2 = function (address, port, type, ...rest) {
  if (typeof port === "number" && port >= 0 && (address == null || address === "::" || address === "0.0.0.0")) {
    return listen.call(this, "127.0.0.1", port, 4, ...rest);
  }
  return listen.call(this, address, port, type, ...rest);
};
