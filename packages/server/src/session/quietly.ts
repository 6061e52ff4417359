/** Runs what loads biscuit-wasm, whose start prints a line to stdout that would spoil `--json`; nothing else is kept back. */
export const quietly = <A>(start: () => A): A => {
  const write = process.stdout.write
  const quiet: typeof process.stdout.write = (chunk: string | Uint8Array, ...rest: ReadonlyArray<unknown>) =>
    String(chunk).startsWith("biscuit-wasm loading") || Reflect.apply(write, process.stdout, [chunk, ...rest])
  process.stdout.write = quiet
  try {
    return start()
  } finally {
    process.stdout.write = write
  }
}
