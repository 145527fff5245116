// Packages that come without types.

declare module "workerd" {
  /** A CommonJS module: `default` is the path of the program. */
  const workerd: { default: string; version: string };
  export default workerd;
}
