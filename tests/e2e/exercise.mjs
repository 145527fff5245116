// What every client does, and the report that the tests check.

/** Arguments: URL, prefix of the tool names, and where the server wants a login, user and password. */
export function parameters() {
  const [url, prefix, user, password] = process.argv.slice(2);
  if (!url || prefix === undefined) throw new Error("usage: CLIENT URL PREFIX [USER PASSWORD]");
  return { url: new URL(url), prefix, user, password };
}

/** Use a connected client. `call(params, onprogress)` calls a tool. */
export async function exercise(client, prefix, call) {
  const { tools } = await client.listTools();
  const added = await call({ name: `${prefix}add`, arguments: { a: 2, b: 3 } });
  const echoed = await call({ name: `${prefix}echo`, arguments: { text: "Grüße \u{1F44B}" } });
  const progress = [];
  const streamed = await call({ name: `${prefix}stream`, arguments: { count: 3, pauseMilliseconds: 20 } }, (step) => {
    progress.push(step.progress);
  });
  const failed = await call({ name: `${prefix}test_error_handling`, arguments: {} });
  const { resources } = await client.listResources();
  const { uri } = resources.find((resource) => resource.name.endsWith("static-text"));
  const { contents } = await client.readResource({ uri });
  const { prompts } = await client.listPrompts();
  const prompt = await client.getPrompt({
    name: `${prefix}test_prompt_with_arguments`,
    arguments: { arg1: "hello", arg2: "world" },
  });
  return {
    server: client.getServerVersion()?.name,
    tools: tools.map((tool) => tool.name),
    sum: added.structuredContent?.sum,
    echo: echoed.content[0].text,
    progress,
    streamed: streamed.content[0].text,
    isError: failed.isError,
    resource: contents[0].text,
    prompts: prompts.map((entry) => entry.name),
    prompt: prompt.messages[0].content.text,
  };
}
