import { Argument } from "effect/cli"

export const relayNameArgument = Argument.String("name").pipe(
  Argument.withDescription("The relay, as `patela list relay` shows it")
)
