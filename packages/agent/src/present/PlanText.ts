import type { NodeConfig } from "@patela/domain/node/NodeConfig"
import { relayScope, type Scope } from "@patela/domain/reconciler/Resource"
import { blockText } from "./blockText.ts"
import { withoutOwn } from "./OwnValues.ts"
import { isComplete, type PlanView, type Totals, totalsOf, type Unreadable, unreadableOf } from "./PlanView.ts"
import { printable } from "./printable.ts"
import { type ScopeBlock, scopeBlocks } from "./ScopeBlock.ts"
import { type BlockLook, plainStyle, type Style } from "./Style.ts"

/**
 * A plan for a person: the node first, then relays in the order of the configuration, then those that leave it. Relays
 * in sync are only counted, a kind that cannot be read is named once, and totals come last. Unless it is `full`, relays
 * whose blocks say the same but for their own names, addresses and keys are one block, and long differences are cut.
 */
export const planText = (plan: PlanView, look: BlockLook): string => {
  const blocks = scopeBlocks(plan)
  const unreadable = unreadableOf(plan)
  const paragraphs = [
    ...together(blocks, plan.config, look).map(({ block, others }) => blockText(block, others, look)),
    ...(unreadable.length === 0 ? [] : [unreadableText(unreadable, look.style)]),
    [...quiet(plan, blocks, unreadable, look.style), totalsText(plan, look.style)].join("\n")
  ]
  return paragraphs.join("\n\n")
}

interface Together {
  readonly block: ScopeBlock
  /** Names of the relays of which the same is to be said. */
  readonly others: Array<string>
}

/** Blocks that say the same stand at the place of the first. */
const together = (
  blocks: ReadonlyArray<ScopeBlock>,
  config: NodeConfig,
  look: BlockLook
): ReadonlyArray<Together> => {
  const found = new Map<string, Together>()
  for (const block of blocks) {
    const name = nameOf(block.scope)
    const key = look.full || name === undefined
      ? block.scope
      : withoutOwn(blockText(block, [], { style: plainStyle, full: true }), name, config)
    const same = found.get(key)
    if (same === undefined) found.set(key, { block, others: [] })
    else if (name !== undefined) same.others.push(name)
  }
  return [...found.values()]
}

const nameOf = (scope: Scope): string | undefined => scope === "node" ? undefined : scope.slice("relay/".length)

const unreadableText = (unreadable: ReadonlyArray<Unreadable>, style: Style): string =>
  [
    style.strong("cannot be read"),
    ...unreadable.map(({ kind, message, scopes }) =>
      `  ${style.bad(`! ${kind}`)}  of ${whoseText(scopes)}: ${printable(message)}`
    )
  ].join("\n")

const whoseText = (scopes: ReadonlyArray<Scope>): string => {
  const relays = scopes.filter((scope) => scope !== "node").length
  if (relays === 0) return "the node"
  return scopes.length === relays ? count(relays, "relay") : `the node and ${count(relays, "relay")}`
}

/** Relays of which there is nothing to say, in one line. */
const quiet = (
  plan: PlanView,
  blocks: ReadonlyArray<ScopeBlock>,
  unreadable: ReadonlyArray<Unreadable>,
  style: Style
): ReadonlyArray<string> => {
  if (plan.changes.length === 0 && plan.failures.length === 0) return []
  const said = new Set(blocks.map(({ scope }) => scope))
  const dark = new Set(unreadable.flatMap(({ scopes }) => scopes))
  const rest = plan.config.relays.map(({ name }) => relayScope(name)).filter((scope) => !said.has(scope))
  const inSync = rest.filter((scope) => !dark.has(scope)).length
  const unknown = rest.length - inSync
  return [
    ...(inSync === 0 ? [] : [style.faint(`${count(inSync, "relay")} in sync`)]),
    ...(unknown === 0 ? [] : [style.faint(`${count(unknown, "relay")} in sync as far as can be read`)])
  ]
}

const totalsText = (plan: PlanView, style: Style): string => {
  const totals = totalsOf(plan)
  const { source, config } = plan
  const which = `generation ${config.generation}${source.from === "file" ? `, ${fileText(source.path)}` : ""}`
  if (isComplete(plan) && plan.changes.length === 0) {
    return style.good(`In sync (${which}): ${count(totals.in_sync, "resource")} as configured.`)
  }
  const word = isComplete(plan) ? style.strong("Plan") : style.bad("Incomplete plan")
  return `${word} (${which}): ${partsOf(totals).join(", ")}; ${totals.in_sync} in sync.`
}

const fileText = (path: string): string => path === "-" ? "from standard input" : `from ${printable(path)}`

const partsOf = (totals: Totals): ReadonlyArray<string> => [
  `${totals.create} to create`,
  `${totals.update} to update`,
  `${totals.remove} to remove`,
  ...(totals.blocked === 0 ? [] : [`${totals.blocked} of them blocked`]),
  ...(totals.held === 0 ? [] : [`${totals.held} of them held back`]),
  ...(totals.refused === 0 ? [] : [`${totals.refused} refused`]),
  ...(totals.unreadable === 0 ? [] : [`${totals.unreadable} cannot be read`])
]

const count = (number: number, thing: string): string => `${number} ${thing}${number === 1 ? "" : "s"}`
