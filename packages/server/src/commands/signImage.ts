import { Console, Effect, FileSystem, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { createPrivateKey } from "node:crypto"
import { ImageApproval } from "../settings/ImageApproval.ts"
import { administrator } from "./administrator.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { StoreServices } from "./StoreServices.ts"

const pcr = (number: number) =>
  Flag.String(`pcr${number}`).pipe(
    Flag.withDescription(`PCR ${number} of SHA-256 that the image boots with, 64 hexadecimal digits`),
    Flag.withSchema(Schema.String.pipe(Schema.check(Schema.isPattern(/^[0-9a-fA-F]{64}$/)))),
    Flag.withMetavar("HEX")
  )

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"))

const ZERO = /^0+$/

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
    pcr12: pcr(12),
    pcr13: pcr(13),
    pcr14: pcr(14)
  },
  Effect.fn("policy.sign-image")(function*({ key, pcr12, pcr13, pcr14 }) {
    const { approved, policy } = yield* (yield* ImageApproval).sign(
      yield* administrator,
      yield* privateKey(key),
      [bytes(pcr12), bytes(pcr13), bytes(pcr14)]
    )
    if ([pcr12, pcr13, pcr14].every((value) => ZERO.test(value))) {
      yield* Console.error(
        "warning: all three are zero: nothing is measured of such an image, and any such opens the keys"
      )
    }
    yield* Console.log(`Approved ${policy}; ${approved} images are.`)
  })
).pipe(
  Command.withDescription(
    "Approve an image: nodes bind their identity keys to approved images, and keep them from all others"
  ),
  Command.withExamples([
    {
      command: "patela policy sign-image --key image-key.pem --pcr12 HEX --pcr13 HEX --pcr14 HEX",
      description: "The values are what `patela-agent tpm status` shows on a machine that booted it"
    }
  ]),
  Command.provide(StoreServices)
)
