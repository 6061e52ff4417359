import { noteText, type TorrcNote } from "@patela/domain/torrc/Torrc"
import { Schema } from "effect"

/** The torrc sets options that a configuration must not: all of them are named by line and column. */
export class TorrcRefused extends Schema.TaggedError<TorrcRefused>()("TorrcRefused", { message: Schema.String }) {
  static of(refusals: ReadonlyArray<TorrcNote>): TorrcRefused {
    return new TorrcRefused({
      message: `The torrc is refused and nothing of it is stored. Leave these lines out and try again:\n${
        refusals.map(noteText).join("\n")
      }`
    })
  }
}
