import { Console, Effect, FileSystem, Option, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { createPrivateKey } from "node:crypto"
import { ImageApproval } from "../settings/ImageApproval.ts"
import { administrator } from "./administrator.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { StoreServices } from "./StoreServices.ts"

const pcr = (number: number, what: string) =>
  Flag.String(`pcr${number}`).pipe(
    Flag.withDescription(`PCR ${number} of SHA-256 on a machine that booted the image: ${what}`),
    Flag.withSchema(Schema.String.pipe(Schema.check(Schema.isPattern(/^[0-9a-fA-F]{64}$/)))),
    Flag.withMetavar("HEX")
  )

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"))

const ZERO = /^0+$/

const optional = (number: number, value: Option.Option<string>): ReadonlyArray<readonly [number, string]> =>
  Option.toArray(Option.map(value, (given) => [number, given] as const))

const WITHOUT_THE_IMAGE =
  "warning: without --pcr4, or with zero in it, the image itself is not part of it: whoever boots another system on the " +
  "machine can extend PCR 12, 13 and 14 to these values and read the keys, also those of images that were approved with it"

const unmeasured = () =>
  new CommandFailed({
    message:
      "All of them are zero, as any system leaves them that measures nothing: whatever is booted would open the " +
      "keys of all nodes, and an approval cannot be taken back. A unified kernel image is measured into PCR 4 where UEFI " +
      "starts it: add --pcr4, which `patela-agent tpm status` shows. Or say --allow-unmeasured. Nothing was changed"
  })

/** The operator's key. What is wrong with a file that holds a key stays out of messages. */
const privateKey = Effect.fnUntraced(function*(file: string) {
  const files = yield* FileSystem.FileSystem
  const text = yield* files.readFileString(file).pipe(
    Effect.mapError(({ reason }) => new CommandFailed({ message: `${file} cannot be read: ${reason._tag}` }))
  )
  return yield* Effect.try({
    try: () => createPrivateKey(text),
    catch: () => new CommandFailed({ message: `${file} holds no private key in PEM without a passphrase` })
  })
})

/** `patela policy sign-image`. */
export const signImage = Command.make(
  "sign-image",
  {
    key: Flag.String("key").pipe(
      Flag.withDescription("PEM file of the operator's private key, of the curve P-256; it is not kept"),
      Flag.withMetavar("FILE")
    ),
    pcr0: Flag.optional(pcr(0, "the firmware")),
    pcr2: Flag.optional(pcr(2, "drivers of cards")),
    pcr4: Flag.optional(pcr(4, "what the firmware started, which is the image")),
    pcr7: Flag.optional(pcr(7, "Secure Boot")),
    pcr12: pcr(12, "the command line and credentials that the image is given"),
    pcr13: pcr(13, "system extensions"),
    pcr14: pcr(14, "keys of a boot loader"),
    allowUnmeasured: Flag.Boolean("allow-unmeasured").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Approve also where all of them are zero: then whatever is booted opens the keys")
    )
  },
  Effect.fn("policy.sign-image")(function*({ allowUnmeasured, key, pcr0, pcr12, pcr13, pcr14, pcr2, pcr4, pcr7 }) {
    const given = [
      ...optional(0, pcr0),
      ...optional(2, pcr2),
      ...optional(4, pcr4),
      ...optional(7, pcr7),
      [12, pcr12],
      [13, pcr13],
      [14, pcr14]
    ] as const
    const isMeasured = given.some(([, value]) => !ZERO.test(value))
    if (!isMeasured && !allowUnmeasured) return yield* unmeasured()
    const { approved, policy } = yield* (yield* ImageApproval).sign(
      yield* administrator,
      yield* privateKey(key),
      new Map(given.map(([number, value]) => [number, bytes(value)]))
    )
    if (!isMeasured) yield* Console.error("warning: all are zero: whatever is booted opens the keys")
    if (ZERO.test(Option.getOrElse(pcr4, () => "0"))) yield* Console.error(WITHOUT_THE_IMAGE)
    yield* Console.log(`Approved ${policy}; ${approved === 1 ? "it is the only one" : `${approved} images are`}.`)
  })
).pipe(
  Command.withDescription(
    "Approve an image: nodes bind their identity keys to approved images, and keep them from all others"
  ),
  Command.withExamples([
    {
      command: "patela policy sign-image --key image-key.pem --pcr4 HEX --pcr12 HEX --pcr13 HEX --pcr14 HEX",
      description: "The values are what `patela-agent tpm status` shows on a machine that booted it"
    }
  ]),
  Command.provide(StoreServices)
)
