/** The lines that only one of two dumps of tor's has; a torrc that tor refuses is one line of its own. */
export const dumpDifference = (left = "refused by tor", right = "refused by tor"): ReadonlyArray<string> => {
  const [before, after] = [left.split("\n"), right.split("\n")]
  if (left !== right && (before.length < 3 || after.length < 3)) return [`- ${before[0]}`, `+ ${after[0]}`]
  return [
    ...before.filter((line) => !after.includes(line)).map((line) => `- ${line}`),
    ...after.filter((line) => !before.includes(line)).map((line) => `+ ${line}`),
    ...left === right || before.length !== after.length ? [] : before.filter((line, index) => line !== after[index])
  ]
}
