// Requests as they are really made: a fetch that notes each, and how long it was after the answer before.

export function attempts() {
  const made = [];
  let answered;
  const noting = async (url, init) => {
    const waited = answered === undefined ? 0 : performance.now() - answered;
    const response = await fetch(url, init);
    answered = performance.now();
    const { headers } = response;
    made.push({
      path: new URL(url).pathname,
      status: response.status,
      retryAfterMs: Number(headers.get("retry-after-ms")),
      retryAfter: Number(headers.get("retry-after")),
      shouldRetry: headers.get("x-should-retry"),
      waitedMs: waited,
    });
    await noting.hook(made.length);
    return response;
  };
  noting.hook = async () => {};
  return { made, noting };
}
