import type { Action } from "@patela/domain/reconciler/Change"
import type { ResourceAddress, Scope } from "@patela/domain/reconciler/Resource"
import { printable } from "./printable.ts"
import type { BlockChange, ScopeBlock } from "./ScopeBlock.ts"
import type { BlockLook, Style } from "./Style.ts"

const SIGN: Readonly<Record<Action, string>> = { create: "+", update: "~", remove: "-" }

/** The most lines of one difference, and of one line the most characters, that are shown unless all is asked for. */
const MOST_LINES = 24
const MOST_CHARACTERS = 160

/** How many of the relays that a block is for are named, besides its own. */
const MOST_NAMES = 8

/** How many resources are named that share one trouble, unless all is asked for. */
const MOST_ADDRESSES = 4

/** One block: what it is about, what stands in the way, the changes; and of which other relays the same is to be said. */
export const blockText = (block: ScopeBlock, others: ReadonlyArray<string>, look: BlockLook): string => {
  const { style } = look
  const reasons = new Set(block.changes.map(({ change }) => change.reason))
  const [reason] = reasons
  const common = reasons.size === 1 && block.changes.length > 1 ? reason : undefined
  const width = Math.max(0, ...block.changes.map(({ change }) => shortName(change.address, block.scope).length))
  const heading = [
    style.strong(block.scope),
    ...(block.state === "changes" ? [] : [block.state]),
    ...(common === undefined ? [] : [style.faint(`(${common})`)])
  ]
  return [
    heading.join("  "),
    ...block.troubles.map(({ addresses, message }) => {
      const most = look.full ? addresses.length : MOST_ADDRESSES
      const names = namesText(addresses.map((each) => shortName(each, block.scope)), most)
      return `  ${style.bad(`! ${names}`)}  ${printable(message)}`
    }),
    ...block.changes.flatMap((change) => changeLines(change, block, { ...look, width, common: common !== undefined })),
    ...(others.length === 0
      ? []
      : [style.faint(`  the same for ${namesText(others, MOST_NAMES)}, each with its own values`)])
  ].join("\n")
}

/** An address without the scope that it stands under. */
const shortName = (address: ResourceAddress, scope: Scope): string =>
  printable(address.startsWith(`${scope}/`) ? address.slice(scope.length + 1) : address)

const changeLines = (
  { cause, change, held }: BlockChange,
  block: ScopeBlock,
  { common, full, style, width }: BlockLook & { readonly width: number; readonly common: boolean }
): ReadonlyArray<string> => {
  const paint = painterOf(change.action, style)
  const details = change.lines.map((line) => printable(line)).map((line) => full ? line : cut(line))
  const inline = inlineOf(details, change.action, full)
  const parts = [
    ...(common ? [] : [style.faint(change.reason)]),
    ...(inline === undefined || inline === "" ? [] : [inline]),
    ...(cause === undefined ? [] : [style.bad(blockedText(cause, block))]),
    ...(held ? [style.warm("held back")] : [])
  ]
  const name = shortName(change.address, block.scope)
  const head = paint(`${SIGN[change.action]} ${name}`)
  const padding = parts.length === 0 ? "" : `${" ".repeat(width - name.length)}  ${parts.join("  ")}`
  return [`  ${head}${padding}`, ...(inline === undefined ? listed(details, full) : []).map((line) => `      ${line}`)]
}

/** What stands beside the name: the only line, or how many there are; undefined where lines go below it. */
const inlineOf = (details: ReadonlyArray<string>, action: Action, full: boolean): string | undefined => {
  const [only = ""] = details
  if (action === "update") return details.length === 1 && !/^[+-] /.test(only) ? only.replace(/^~ /, "") : undefined
  if (details.length <= 1) return only.replace(/^[+-] /, "")
  return full || action === "remove" ? undefined : `${details.length} lines`
}

const listed = (details: ReadonlyArray<string>, full: boolean): ReadonlyArray<string> =>
  full || details.length <= MOST_LINES
    ? details
    : [...details.slice(0, MOST_LINES), `... and ${details.length - MOST_LINES} more lines (--full shows them)`]

const cut = (line: string): string => {
  const characters = [...line]
  return characters.length <= MOST_CHARACTERS
    ? line
    : `${characters.slice(0, MOST_CHARACTERS).join("")}... (${characters.length} characters)`
}

const blockedText = ({ by, root }: NonNullable<BlockChange["cause"]>, { scope, unread }: ScopeBlock): string =>
  [
    `blocked by ${shortName(root, scope)}`,
    ...(unread.has(root) ? ["which cannot be read"] : []),
    ...(by === root ? [] : [`through ${shortName(by, scope)}`])
  ].join(", ")

const painterOf = (action: Action, style: Style): (text: string) => string =>
  action === "create" ? style.good : action === "update" ? style.warm : style.bad

const namesText = (names: ReadonlyArray<string>, most: number): string => {
  const shown = names.slice(0, most).join(", ")
  const more = names.length - most
  return more > 0 ? `${shown} and ${more} more` : shown
}
