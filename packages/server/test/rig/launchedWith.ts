import { readFileSync } from "node:fs"

/** What a command is started with. */
export interface LaunchedWith {
  readonly variables: Readonly<Record<string, string>>
  readonly flags: ReadonlyArray<string>
}

/** What the first line of a command says: the environment and the flags that Node runs it with, by `env -S`. */
export const launchedWith = (file: string): LaunchedWith => {
  const [line = ""] = readFileSync(file, "utf8").split("\n", 1)
  const words = line.split(" ")
  return {
    variables: Object.fromEntries(words.flatMap((word) => {
      const [, name, value] = /^([A-Z_]+)=(.*)$/.exec(word) ?? []
      return name === undefined || value === undefined ? [] : [[name, value]]
    })),
    flags: words.filter((word) => word.startsWith("--"))
  }
}
