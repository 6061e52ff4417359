import { outputOf } from "./Program.ts"

/** Looks at the kernel as one text each, in an order of its own and without what counts or numbers: to be compared. */

const sortedLines = (text: string): string =>
  text.split("\n").map((line) => line.trim()).filter((line) => line !== "").toSorted().join("\n")

/** The addresses of a link; how long an address has still to live or is checked is no matter. */
export const addressesOf = (link: string) => async (): Promise<string> => {
  const text = await outputOf("ip", ["-oneline", "address", "show", "dev", link])
  return sortedLines(text.split("\n").map((line) => /inet6? \S+/.exec(line)?.[0] ?? "").join("\n"))
}

export const rulesOf = (family: "-4" | "-6") => async (): Promise<string> =>
  sortedLines(await outputOf("ip", [family, "rule", "show"]))

export const routesOf = (family: "-4" | "-6", table: number) => async (): Promise<string> =>
  sortedLines(await outputOf("ip", [family, "route", "show", "table", String(table)]))

/** The table without handles and counters, elements in order. */
export const nftTable = async (): Promise<string> => {
  const text = await outputOf("nft", ["-j", "list", "table", "inet", "patela"])
  const said: unknown = JSON.parse(text, (key, value: unknown) => {
    if (key === "handle" || key === "packets" || key === "bytes" || key === "metainfo") return undefined
    if (key === "elem" && Array.isArray(value)) return value.map((each) => JSON.stringify(each)).toSorted()
    return value
  })
  return JSON.stringify(said)
}

/** The chains of the table that hold rules. */
export const nftChains = async (): Promise<ReadonlyArray<string>> => {
  const text = await outputOf("nft", ["list", "table", "inet", "patela"])
  return [...text.matchAll(/^\tchain (\S+) \{/gm)].flatMap(([, name]) => name === undefined ? [] : [name])
}
