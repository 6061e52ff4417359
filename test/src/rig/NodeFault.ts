import { Schema } from "effect"

/** A command was sent to a node that has no power. */
export class NodeIsOff extends Schema.TaggedError<NodeIsOff>()("NodeIsOff", { node: Schema.String }) {
  override get message() {
    return `The node ${this.node} is off, so nothing runs on it. Boot it first.`
  }
}

/** The node ended while it booted; `console` is what it wrote last. */
export class NodeDidNotBoot extends Schema.TaggedError<NodeDidNotBoot>()("NodeDidNotBoot", {
  node: Schema.String,
  exitCode: Schema.Int,
  console: Schema.Array(Schema.String)
}) {
  override get message() {
    const said = this.console.length === 0 ? "It wrote nothing." : `It wrote:\n${this.console.join("\n")}`
    return `The node ${this.node} ended with status ${this.exitCode} while it booted. ${said}`
  }
}
