/**
 * A pure function that gives its last result again where it is asked for the very same arguments. A pass with nothing to do
 * mostly is: what it reads is decoded once for as long as it is the same text.
 */
export const lastResult = <Args extends ReadonlyArray<unknown>, A>(compute: (...args: Args) => A) => {
  let last: { readonly args: Args; readonly result: A } | undefined
  return (...args: Args): A => {
    if (last?.args.every((arg, index) => Object.is(arg, args[index])) !== true) {
      last = { args, result: compute(...args) }
    }
    return last.result
  }
}
