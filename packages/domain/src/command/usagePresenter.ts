import { Console } from "effect"
import { CliOutput } from "effect/cli"

/** A wrong command line is answered with what is wrong, on standard error, and where the help is; not with all of it. */
export const usagePresenter = (command: string) =>
  CliOutput.layerPresenter({
    present: (event) =>
      event._tag === "InvalidInvocation"
        ? Console.error(
          [
            ...event.errors.map(({ message }) => `${command}: ${message}`),
            `Usage: ${event.helpDoc.usage}`,
            `Help: ${event.commandPath.join(" ")} --help`
          ].join("\n")
        )
        : CliOutput.defaultPresenter.present(event)
  })
