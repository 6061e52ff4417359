import { Result, Schema } from "effect"
import { meaningOf, unknownOption } from "./meaningOf.ts"
import { findOption } from "./OptionTable.ts"
import { parseTorrc } from "./parse.ts"
import { readEntry } from "./readEntry.ts"
import { renderLine } from "./render.ts"
import type { TorrcLine } from "./Torrc.ts"
import type { TorrcSyntaxError } from "./TorrcSyntaxError.ts"

/**
 * A change of a layer's text. Options are named as in a torrc; those of `set` also as `+Option`, which adds to the layers
 * below, and `/Option`, which clears them and takes no value.
 */
export type LayerEdit =
  | { readonly how: "replace"; readonly text: string }
  | { readonly how: "set"; readonly option: string; readonly values: ReadonlyArray<string> }
  | { readonly how: "remove"; readonly option: string }

/** The change makes no sense, whatever the layer says; the message has what would. */
export class EditRefused extends Schema.TaggedError<EditRefused>()("EditRefused", { message: Schema.String }) {}

/**
 * The text after a change, and which option it was about by its canonical name; null where the whole is replaced.
 * `lines` are those of that option in it, from 1. `warnings` are of how the option was named.
 */
export interface EditedLayer {
  readonly text: string
  readonly option: string | null
  readonly lines: ReadonlyArray<number>
  readonly warnings: ReadonlyArray<string>
}

/**
 * Changes the text of a layer. To set an option replaces all its lines, at the place of the first, or at the end; to
 * remove it takes them out. Everything else stays as it is, comments too. The result is not judged.
 */
export const editLayer = (
  text: string,
  edit: LayerEdit
): Result.Result<EditedLayer, EditRefused | TorrcSyntaxError> => {
  if (edit.how === "replace") return Result.succeed({ text: edit.text, option: null, lines: [], warnings: [] })
  const wanted = edit.how === "set" ? linesToSet(edit) : optionToRemove(edit.option)
  return Result.flatMap(wanted, ({ option, lines, warnings }) =>
    // Only of a text that can be read is it known where an option's lines are.
    Result.flatMap(parseTorrc(text), () => {
      const edited = replaceLines(text.replaceAll("\r\n", "\n"), option, lines)
      return Result.map(parseTorrc(edited), (after) => ({
        text: edited,
        option,
        lines: after.lines.filter((line) => line.option === option).map(({ line }) => line),
        warnings
      }))
    }))
}

type Line = Pick<TorrcLine, "option" | "mode" | "value">

interface Wanted {
  readonly option: string
  readonly lines: ReadonlyArray<Line>
  readonly warnings: ReadonlyArray<string>
}

const refused = (message: string): Result.Result<never, EditRefused> => Result.fail(new EditRefused({ message }))

const linesToSet = (
  { option: key, values }: { readonly option: string; readonly values: ReadonlyArray<string> }
): Result.Result<Wanted, EditRefused> => {
  const clears = key.startsWith("/")
  if (clears && values.length > 0) return refused(`${key} clears the option and takes no value`)
  const meanings = (clears ? [""] : values).map((value) => meaningOf(key, value))
  const lines: Array<Line> = []
  for (const meaning of meanings) {
    if (meaning.kind === "problem") return refused(meaning.message)
    if (meaning.kind === "skipped") return refused(meaning.warnings.join("; "))
    lines.push(meaning.content)
  }
  const [first] = lines
  const [meaning] = meanings
  if (first === undefined || meaning?.kind !== "line") return refused(noValue(key))
  if (lines.length > 1 && findOption(first.option)?.option.repeats !== true) {
    return refused(`${first.option} takes one value, and ${lines.length} were given: tor would read the last alone`)
  }
  return Result.succeed({ option: first.option, lines, warnings: meaning.warnings })
}

const noValue = (key: string): string => {
  const name = key.replace(/^\+/, "")
  const found = findOption(name)
  if (found === undefined) return unknownOption(name)
  const { name: option } = found.option
  return `${option} needs a value. To take its lines out of the layer: patela torrc remove. To clear what the layers ` +
    `below say: /${option}`
}

const optionToRemove = (key: string): Result.Result<Wanted, EditRefused> => {
  const name = key.replace(/^[+/]/, "")
  const found = findOption(name)
  return found === undefined
    ? refused(unknownOption(name))
    : Result.succeed({ option: found.option.name, lines: [], warnings: [] })
}

const replaceLines = (text: string, option: string, lines: ReadonlyArray<Line>): string => {
  const extents = extentsIn(text)
  const ofOption = extents.filter((extent) => extent.option === option)
  const rendered = lines.map((line) => `${renderLine(line)}\n`).join("")
  const [first] = ofOption
  if (first !== undefined) {
    const kept = ofOption.map(({ to }, index) => text.slice(to, ofOption[index + 1]?.from))
    return [text.slice(0, first.from), rendered, ...kept].join("")
  }
  if (rendered === "") return text
  // A last value that is continued, and that the end of the text ends, would go on into what is put behind it.
  const last = extents.at(-1)
  if (last?.open === true && text.slice(last.from).includes("\\")) {
    return text.slice(0, last.from) + rendered + text.slice(last.from)
  }
  return `${text}${text === "" || text.endsWith("\n") ? "" : "\n"}${rendered}`
}

/** Where the lines of an entry are, from one offset to before another, with the comment behind it; and whether no newline ends it. */
interface Extent {
  readonly open: boolean
  readonly option: string | undefined
  readonly from: number
  readonly to: number
}

const extentsIn = (text: string): ReadonlyArray<Extent> => {
  const extents: Array<Extent> = []
  for (let entry = readEntry(text, 0); entry.kind !== "end"; entry = readEntry(text, entry.next)) {
    if (entry.kind === "problem") continue
    const end = text.indexOf("\n", entry.next)
    extents.push({
      open: entry.next === text.length,
      option: findOption(entry.key.replace(/^[+/]/, ""))?.option.name,
      from: text.lastIndexOf("\n", entry.at - 1) + 1,
      to: end === -1 ? text.length : end + 1
    })
  }
  return extents
}
