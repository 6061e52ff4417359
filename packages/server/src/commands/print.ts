import { Console } from "effect"

/** A value for programs, on stdout. */
export const printJson = (value: unknown) => Console.log(JSON.stringify(value, null, 2))
