import { Schema } from "effect"

/** There is no relay of this name. */
export class RelayUnknown extends Schema.TaggedError<RelayUnknown>()("RelayUnknown", { message: Schema.String }) {
  static of(name: string): RelayUnknown {
    return new RelayUnknown({ message: `There is no relay ${name}. See them all with: patela list relay` })
  }
}
