import { assert, describe, it } from "@effect/vitest"
import { RelayName } from "@patela/domain/relay/RelayName"
import { Slot } from "@patela/domain/relay/Slot"
import { Effect, Exit, Layer, Schema } from "effect"
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { parseLedger, renderLedger } from "../src/ledger/LedgerFile.ts"
import { LedgerReader } from "../src/ledger/LedgerReader.ts"
import { LedgerWriter } from "../src/ledger/LedgerWriter.ts"
import {
  disowning,
  disowningAddresses,
  nothingOwned,
  OwnedAddress,
  owning,
  owningAddresses,
  slotOwners
} from "../src/ledger/Owned.ts"
import { namesOf } from "./KindLaws.ts"

const Name = Schema.Literals(["toma", "robiola", "brie", "gouda"])
const Names = Schema.Struct({
  accounts: Schema.Array(Name),
  instances: Schema.Array(Name),
  addresses: Schema.Array(Schema.Tuple([Schema.Literals([1, 2, 3]), Name]))
})
const addressOf = (last: number, name: string): OwnedAddress =>
  OwnedAddress.make({ address: `198.51.100.${last}`, relay: RelayName.make(name), slot: Slot.make(last) })
const ownedOf = ({ accounts, addresses, instances }: typeof Names.Type) => ({
  accounts: namesOf(accounts),
  instances: namesOf(instances),
  addresses: addresses.map(([last, name]) => addressOf(last, name))
})

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(`${tmpdir()}/ledger-`)),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

const at = (path: string) => Layer.mergeAll(LedgerReader.layerAt(path), LedgerWriter.layerAt(path))
const toma = RelayName.make("toma")
const brie = RelayName.make("brie")

describe("ledger", () => {
  it.effect.prop("what is written is read again", [Names], ([names]) =>
    Effect.gen(function*() {
      const owned = ownedOf(names)
      assert.deepStrictEqual(yield* parseLedger("owned.json", renderLedger(owned)), owned)
    }))

  it.effect.prop("any other text fails and names the file", [Schema.String], ([text]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(parseLedger("/run/owned.json", text))
      assert.include(error.message, "/run/owned.json")
    }))

  it.effect.prop("a ledger cut short anywhere fails", [Names, Schema.Int], ([names, where]) =>
    Effect.gen(function*() {
      const text = renderLedger(ownedOf(names)).trimEnd()
      const cut = text.slice(0, Math.abs(where) % text.length)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(parseLedger("owned.json", cut))))
    }))

  it.prop(
    "striking out undoes entering, and what changes nothing is the same value",
    [Names, Name],
    ([names, which]) => {
      const owned = ownedOf(names)
      const name = RelayName.make(which)
      const more = owning(owned, "accounts", [name])
      assert.include(more.accounts, name)
      assert.deepStrictEqual(more.instances, owned.instances)
      assert.strictEqual(owning(more, "accounts", [name]), more)
      const less = disowning(more, "accounts", [name])
      assert.notInclude(less.accounts, name)
      assert.strictEqual(disowning(less, "accounts", [name]), less)
    }
  )

  it.prop("has an address once for each relay, in the slot that it has last", [Names, Name], ([names, which]) => {
    const owned = owningAddresses(nothingOwned, ownedOf(names).addresses)
    const one = { ...addressOf(2, which), slot: Slot.make(7) }
    const isOne = ({ address, relay }: OwnedAddress) => address === one.address && relay === one.relay
    const more = owningAddresses(owned, [one])
    assert.deepStrictEqual(more.addresses.filter(isOne), [one])
    assert.strictEqual(owningAddresses(more, [one]), more)
    const alone = owningAddresses(more, [one], [one.address])
    assert.deepStrictEqual(alone.addresses.filter(({ address }) => address === one.address), [one])
    assert.strictEqual(owningAddresses(alone, [one], [one.address]), alone)
    const less = disowningAddresses(more, [one])
    assert.deepStrictEqual(less.addresses, owned.addresses.filter((other) => !isOne(other)), "the others' stay")
    assert.strictEqual(disowningAddresses(less, [one]), less)
  })

  it("tells which relay had a slot, unless two had", () => {
    const [first, second] = [addressOf(1, "toma"), { ...addressOf(2, "toma"), slot: Slot.make(1) }]
    const owned = owningAddresses(nothingOwned, [first, second, addressOf(3, "brie")])
    assert.deepStrictEqual([...slotOwners(owned)], [[1, toma], [3, brie]])
    const both = owningAddresses(owned, [{ ...addressOf(4, "brie"), slot: Slot.make(1) }])
    assert.deepStrictEqual([...slotOwners(both)], [[3, brie]])
  })

  it.effect("of an older agent, which knew of no addresses, is read", () =>
    Effect.gen(function*() {
      const owned = yield* parseLedger("owned.json", "{\"version\":1,\"accounts\":[\"toma\"],\"instances\":[]}")
      assert.deepStrictEqual(owned, { ...nothingOwned, accounts: [toma] })
    }))

  it.effect("is 0600 in a directory of 0700, and is not written for nothing", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const path = `${directory}/run/owned.json`
      yield* Effect.gen(function*() {
        const reader = yield* LedgerReader
        const writer = yield* LedgerWriter
        assert.deepStrictEqual(yield* reader.read, nothingOwned)
        yield* writer.disown("accounts", [toma])
        assert.deepStrictEqual(readdirSync(directory), [])
        yield* Effect.all([
          writer.own("accounts", [toma]),
          writer.own("instances", [toma]),
          writer.own("accounts", [brie])
        ], {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(yield* reader.read, { ...nothingOwned, accounts: [brie, toma], instances: [toma] })
        assert.strictEqual(statSync(path).mode & 0o7777, 0o600)
        assert.strictEqual(statSync(`${directory}/run`).mode & 0o7777, 0o700)
        const { ino } = statSync(path)
        yield* writer.own("accounts", [toma])
        assert.strictEqual(statSync(path).ino, ino)
        chmodSync(`${directory}/run`, 0o755)
        yield* writer.disown("accounts", [toma])
        assert.strictEqual(statSync(`${directory}/run`).mode & 0o7777, 0o700)
        assert.deepStrictEqual(readdirSync(`${directory}/run`), ["owned.json"])
      }).pipe(Effect.provide(at(path)))
    }))

  it.effect("a damaged ledger, or a link in its place, is neither believed nor replaced", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      writeFileSync(`${directory}/damaged.json`, "{\"version\":1,\"acc")
      writeFileSync(`${directory}/target.json`, renderLedger(nothingOwned))
      symlinkSync(`${directory}/target.json`, `${directory}/link.json`)
      for (const name of ["damaged.json", "link.json"]) {
        yield* Effect.gen(function*() {
          const reader = yield* LedgerReader
          const writer = yield* LedgerWriter
          assert.include((yield* Effect.flip(reader.read)).message, name)
          assert.include((yield* Effect.flip(writer.own("accounts", [toma]))).message, name)
        }).pipe(Effect.provide(at(`${directory}/${name}`)))
      }
    }))
})
