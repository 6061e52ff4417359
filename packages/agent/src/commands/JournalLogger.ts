import { Logger, LogLevel } from "effect"

/** One plain line on standard error for each message: the journal, or whoever reads a pipe, adds the time itself. */
export const JournalLogger = Logger.make<unknown, void>(({ logLevel, message }) => {
  const text = (Array.isArray(message) ? message : [message]).map(String).join(" ")
  const prefix = LogLevel.isGreaterThanOrEqualTo(logLevel, "Error") ? "error: " : logLevel === "Warn" ? "warning: " : ""
  process.stderr.write(`${prefix}${text}\n`)
})
