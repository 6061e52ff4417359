import { Effect, Ref } from "effect"
import { readFileSync, writeFileSync } from "node:fs"
import { type BootedWhen, booting } from "./Booting.ts"
import type { CableIn } from "./CableIn.ts"
import { type Argv, runOk } from "./Command.ts"
import { cpio, type CpioEntry } from "./Cpio.ts"
import { found, instead, waitFor } from "./Deadline.ts"
import { GUEST_PORT, GuestShell, guestShellEntries } from "./GuestShell.ts"
import { execOkBy, type Machine, whileOn } from "./Machine.ts"
import { Namespace } from "./Namespace.ts"
import { Power } from "./Power.ts"
import { TemporaryDirectory } from "./TemporaryDirectory.ts"
import { TpmChip } from "./TpmChip.ts"
import { seaBios, type VirtualFirmware } from "./VirtualFirmware.ts"
import { VirtualImage } from "./VirtualImage.ts"

/** A network card, and the place where its cable ends. */
export interface Card {
  /** The name of its link on the node. */
  readonly link: string
  readonly namespace: Namespace
  /** Plugs in a cable whose end there is this link. */
  readonly take: (port: string) => CableIn
}

export interface VirtualNodeOptions {
  readonly hostname: string
  readonly cards: ReadonlyArray<Card>
  /** What its image has besides the Debian root; all of it is gone with the power. */
  readonly entries: ReadonlyArray<CpioEntry>
  readonly bootedWhen: BootedWhen
  readonly memoryMib?: number
  /** SeaBIOS unless told. */
  readonly firmware?: VirtualFirmware
}

/** A diskless machine with a kernel, a firmware and a TPM device of its own, emulated: nothing here needs KVM. */
export interface VirtualNode extends Machine {
  /** What the firmware finds from the next boot on: arguments of QEMU. */
  readonly refit: (hardware: ReadonlyArray<string>) => Effect.Effect<void>
  /** Its image from the next boot on is one whose command line has these words too; with none, the first again. */
  readonly reimage: (...words: ReadonlyArray<string>) => Effect.Effect<void>
}

// Any `root=` has the kernel unpack into a file system that takes what memory there is, not half of it.
const COMMAND_LINE = "console=ttyS0 quiet mitigations=off rdinit=/lib/systemd/systemd root=/dev/ram0"

const macOf = (card: number) => `52:54:00:80:20:${String(card + 1).padStart(2, "0")}`
const tapOf = (card: number) => `card${card}`

/** Links have names that do not depend on where QEMU puts a card. */
const linkEntries = (cards: ReadonlyArray<Card>): ReadonlyArray<CpioEntry> =>
  cards.map(({ link }, card) => ({
    type: "file",
    path: `etc/systemd/network/10-${link}.link`,
    mode: 0o644,
    content: Buffer.from(`[Match]\nMACAddress=${macOf(card)}\n\n[Link]\nName=${link}\n`)
  }))

/** No option ROM in a card: nothing boots by network here, and the firmware would measure it. */
const cardDevices = (cards: ReadonlyArray<Card>): ReadonlyArray<string> =>
  cards.flatMap((_, card) => [
    "-netdev",
    `tap,id=net${card},ifname=${tapOf(card)},script=no,downscript=no`,
    "-device",
    `virtio-net-pci,netdev=net${card},mac=${macOf(card)},romfile=`
  ])

export const VirtualNode = {
  /** A node that is off; it is powered off for good when the scope closes. */
  make: Effect.fnUntraced(function*(options: VirtualNodeOptions) {
    const { bootedWhen, cards, firmware = seaBios, hostname, memoryMib = 1024 } = options
    const image = yield* VirtualImage.find
    const folder = yield* TemporaryDirectory.make("virtual")
    const chip = yield* TpmChip.make(firmware)
    const [archive, port] = [`${folder}/initramfs`, `${folder}/shell.sock`]
    yield* Effect.sync(() => {
      const name = { type: "file", path: "etc/hostname", mode: 0o644, content: Buffer.from(`${hostname}\n`) } as const
      const own = cpio([name, ...linkEntries(cards), ...guestShellEntries, ...options.entries])
      writeFileSync(archive, Buffer.concat([readFileSync(image.root), firmware.pack(own)]))
    })
    const board = yield* firmware.make(folder)
    const hardware = yield* Ref.make<ReadonlyArray<string>>([])
    const commandLine = yield* Ref.make(COMMAND_LINE)

    const parts: ReadonlyArray<readonly [flag: string, value: string]> = [
      ["-display", "none"],
      ["-serial", "stdio"],
      ["-machine", "q35"],
      ["-accel", "tcg,thread=multi"],
      // Without AVX, and below without what keeps processes of real processors apart, emulation takes a fifth less.
      ["-cpu", "Westmere"],
      ["-smp", "2"],
      ["-m", String(memoryMib)],
      ["-device", "virtio-rng-pci"],
      ["-device", "virtio-serial-pci"],
      ["-chardev", `socket,id=shell,path=${port},server=on,wait=off`],
      ["-device", `virtserialport,chardev=shell,name=${GUEST_PORT}`]
    ]

    const qemu = (fitted: ReadonlyArray<string>): Argv => [
      "qemu-system-x86_64",
      "-nodefaults",
      "-no-user-config",
      "-no-reboot",
      ...parts.flat(),
      ...board,
      ...chip.devices,
      ...cardDevices(cards),
      ...fitted
    ]

    /** QEMU makes its ends of the cables where it is; there they are taken from. */
    const plugIn = Effect.fnUntraced(function*<E>(room: Namespace, failIfEnded: Effect.Effect<void, E>) {
      yield* waitFor(
        "QEMU's network cards",
        Effect.gen(function*() {
          yield* failIfEnded
          const links = yield* room.execOk(["ip", "-oneline", "link"])
          return cards.every((_, card) => links.includes(`${tapOf(card)}:`)) ? found(undefined) : instead(links)
        })
      )
      yield* Effect.forEach(
        cards,
        ({ namespace, take }, card) =>
          runOk(["ip", "-n", room.name, "link", "set", "dev", tapOf(card), "netns", namespace.name, "name", "node"])
            .pipe(
              Effect.andThen(take("node"))
            )
      )
    })

    const start = Effect.fnUntraced(function*(isUp: (shell: GuestShell) => Effect.Effect<void>) {
      yield* chip.powerOn
      const room = yield* Namespace.make("machine")
      const bootable = { kernel: image.kernel, initramfs: archive, commandLine: yield* Ref.get(commandLine) }
      const loaded = yield* firmware.start(bootable, folder)
      const machine = yield* room.start(qemu([...loaded, ...yield* Ref.get(hardware)]))
      const { failIfEnded, systemdRuns } = booting(hostname, machine)
      yield* plugIn(room, failIfEnded)
      const shell = yield* GuestShell.make(hostname, port)
      yield* isUp(shell)
      const patience = { within: "5 minutes" } as const
      yield* systemdRuns(bootedWhen, (argv) => shell.exec(argv, patience), { ...patience, every: "500 millis" })
    })
    const power = yield* Power.make(start)

    const exec: VirtualNode["exec"] = (argv, told) =>
      Effect.flatMap(whileOn(hostname, power), (shell) => shell.exec(argv, told))

    const node: VirtualNode = {
      boot: power.on,
      powerOff: power.off,
      exec,
      execOk: execOkBy(exec),
      refit: (next) => Ref.set(hardware, next),
      reimage: (...words) => Ref.set(commandLine, [COMMAND_LINE, ...words].join(" "))
    }
    return node
  })
}
