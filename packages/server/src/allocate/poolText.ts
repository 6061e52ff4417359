import { Result } from "effect"
import { type AnyPool, PoolRefused, poolV4, poolV6 } from "./AddressPool.ts"

/** `FIRST/PREFIX` or `FIRST-LAST/PREFIX`. */
const WRITTEN = /^([0-9a-fA-F.:]+)(?:-([0-9a-fA-F.:]+))?\/(\d{1,3})$/

/** The pool that a person wrote; the family is that of its first address. */
export const poolFromText = (
  text: string,
  reserved: ReadonlyArray<string>
): Result.Result<AnyPool, PoolRefused> => {
  const [, first, last, prefix] = WRITTEN.exec(text) ?? []
  if (first === undefined || prefix === undefined) {
    return Result.fail(
      new PoolRefused({
        message: `${JSON.stringify(text)} is no pool. Write FIRST/PREFIX or FIRST-LAST/PREFIX, for example ` +
          "192.0.2.10/24 or 192.0.2.10-192.0.2.99/24"
      })
    )
  }
  const make: (
    first: string,
    prefix: number,
    bounds: { last: string | undefined; reserved: ReadonlyArray<string> }
  ) => Result.Result<AnyPool, PoolRefused> = first.includes(":") ? poolV6 : poolV4
  return make(first, Number(prefix), { last, reserved }).pipe(
    Result.mapError(({ message }) => new PoolRefused({ message: `${text}: ${message}` }))
  )
}
