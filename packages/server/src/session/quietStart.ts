/**
 * Keeps back the line that biscuit-wasm prints to stdout when it starts, which would spoil `--json`, and nothing else, until
 * it is disposed of.
 */
export const quietStart = (): Disposable => {
  const write = process.stdout.write
  const quiet: typeof process.stdout.write = (chunk: string | Uint8Array, ...rest: ReadonlyArray<unknown>) =>
    String(chunk).startsWith("biscuit-wasm loading") || Reflect.apply(write, process.stdout, [chunk, ...rest])
  process.stdout.write = quiet
  return {
    [Symbol.dispose]: () => {
      process.stdout.write = write
    }
  }
}
