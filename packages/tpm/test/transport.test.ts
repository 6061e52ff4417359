import { assert, describe, it } from "@effect/vitest"
import { Option, Result } from "effect"
import { classifyFailure } from "../src/transport/classifyFailure.ts"
import { directConnect } from "../src/transport/directConnect.ts"
import { readHandles, readLimits, readNvPublics, readPcrs } from "../src/transport/readAnswer.ts"
import { plainCode, ResponseCode } from "../src/transport/ResponseCode.ts"
import { defaultTcti, hasResourceManager, tctiOf } from "../src/transport/Tcti.ts"
import { transportOf } from "../src/transport/TpmTransport.ts"
import { memoryMounts } from "../src/transport/workDirectory.ts"
import { bytes, failure } from "./fixtures.ts"

const means = (stderr: string) =>
  classifyFailure({ command: "tpm2_nvread", tcti: defaultTcti, status: "exit code 1", stderr })

/** What Esys prints in tpm2-tools 5.4. */
const refusal = (code: string) =>
  `WARNING:esys:src/tss2-esys/api/Esys_NV_Read.c:315:Esys_NV_Read_Finish() Received TPM Error \n` +
  `ERROR: Esys_NV_Read(${code}) - tpm:error(2.0): words\nERROR: Unable to run tpm2_nvread\n`

describe("what a failed command means", () => {
  it("tells a TPM that is absent, in use, closed to this user, locked out, busy, and one that refuses", () => {
    const opening = "ERROR:tcti:tcti-device.c:452:Init() Failed to open specified TCTI device file /dev/tpmrm0"
    assert.strictEqual(means(`${opening}: No such file or directory \n`)._tag, "TpmAbsent")
    assert.strictEqual(means(`${opening}: Device or resource busy \n`)._tag, "TpmBusy")
    assert.strictEqual(means(`${opening}: Permission denied \n`)._tag, "TpmToolsUnusable")
    assert.strictEqual(means(refusal("0x921"))._tag, "TpmLockedOut")
    for (const code of ["0x922", "0x908", "0x90A", "0x920", "0x923"]) {
      assert.strictEqual(means(refusal(code))._tag, "TpmBusy")
    }
    const refused = means(refusal("0x99D"))
    assert.strictEqual(refused._tag, "TpmRefused")
    assert.include(refused.message, "booted an image that was not approved")
    assert.isTrue(refused._tag === "TpmRefused" && Option.contains(refused.code, 0x99d))
    assert.include(means("").message, "exit code 1")
  })

  it("takes the number of the session, handle or parameter out of a code", () => {
    const codes = [0x18b, 0x99d, 0x1df, 0x2d5, 0x98e, 0x14a, 0x921]
    assert.deepStrictEqual(codes.map(plainCode), [
      ResponseCode.handle,
      ResponseCode.policyFail,
      ResponseCode.integrity,
      ResponseCode.size,
      ResponseCode.authFail,
      ResponseCode.nvUninitialized,
      ResponseCode.lockout
    ])
  })
})

describe("what the tools print", () => {
  it("is read, or refused with the reason", () => {
    assert.deepStrictEqual(Result.getOrThrow(readHandles("c", "- 0x1800820\n- 0x1C00002\n")), [
      0x0180_0820,
      0x01c0_0002
    ])
    assert.deepStrictEqual(Result.getOrThrow(readHandles("c", "")), [])
    assert.strictEqual(failure(readHandles("c", "nonsense"))._tag, "TpmAnswerUnreadable")
    const index = "0x1800820:\n  name: 000b\n  hash algorithm:\n    friendly: sha256\n    value: 0xB\n" +
      "  attributes:\n    friendly: ownerwrite|ownerread|no_da|written\n    value: 0x22020002\n  size: 2048\n"
    const other = index.replace("0x1800820", "0x1C00002").replace("0x22020002", "0x62072001").replace("2048", "520") +
      "  authorization policy: 0123456789ABCDEF\n"
    assert.deepStrictEqual(Result.getOrThrow(readNvPublics("c", `${index}\n${other}\n`)), [
      { index: 0x0180_0820, size: 2048, attributes: 0x2202_0002, written: true },
      { index: 0x01c0_0002, size: 520, attributes: 0x6207_2001, written: true }
    ])
    assert.deepStrictEqual(Result.getOrThrow(readNvPublics("c", "")), [])
    assert.include(failure(readNvPublics("c", "0x1:\n  size: 3\n")).message, "attributes of 0x1")
    assert.include(failure(readNvPublics("c", "size: 3")).message, "paragraph")
    const fixed = "TPM2_PT_MANUFACTURER:\n  raw: 0x49424D00\n  value: \"IBM\"\nTPM2_PT_NV_INDEX_MAX:\n  raw: 0x800\n" +
      "TPM2_PT_NV_BUFFER_MAX:\n  raw: 0x400\n"
    assert.deepStrictEqual(Result.getOrThrow(readLimits("c", fixed, "  inLockout:                 1\n")), {
      nvBufferMax: 1024,
      nvIndexMax: 2048,
      manufacturer: "IBM",
      inLockout: true
    })
    assert.include(failure(readLimits("c", fixed, "")).message, "inLockout")
    assert.deepStrictEqual(
      Result.getOrThrow(readPcrs("c", "  sha256:\n    0 : 0x00FF\n    23: 0xA0\n")),
      new Map([[0, bytes("00ff")], [23, bytes("a0")]])
    )
    assert.deepStrictEqual(Result.getOrThrow(readPcrs("c", "  sha384:\n")), new Map())
    assert.strictEqual(failure(readPcrs("c", "  sha256:\n    0 : zero\n"))._tag, "TpmAnswerUnreadable")
  })
})

describe("where the TPM is", () => {
  it("makes a TCTI of a device or a TCTI, and of nothing else", () => {
    const good = [
      "/dev/tpmrm0",
      "device:/dev/tpm0",
      "swtpm:path=/run/s",
      "swtpm:host=localhost,port=2321",
      "tabrmd",
      "mssim:"
    ]
    assert.deepStrictEqual(good.map((address) => String(Result.getOrThrow(tctiOf(address)))), [
      "device:/dev/tpmrm0",
      ...good.slice(1)
    ])
    for (const address of ["", "tpm0", "cmd:reboot", "/dev/tpm 0", "swtpm:\n", "device:tpm0", "/x:y"]) {
      assert.strictEqual(failure(tctiOf(address))._tag, "UnknownTpmAddress")
    }
  })

  it("knows which TPMs are reached without tpm2-tools", () => {
    const direct = ["/dev/tpmrm0", "device:/dev/tpm0", "swtpm:path=/run/s", "swtpm:path=/run/s,x=1", "swtpm:", "tabrmd"]
      .map((address) => Option.isSome(directConnect(Result.getOrThrow(tctiOf(address)))))
    assert.deepStrictEqual(direct, [true, true, true, false, false, false])
  })

  it("knows two transports by name", () => {
    assert.deepStrictEqual(["direct", "tools"].map((name) => Result.getOrThrow(transportOf(name))), ["direct", "tools"])
    for (const name of ["", "Direct", "tools "]) {
      assert.include(failure(transportOf(name)).message, `${JSON.stringify(name)}: say direct or tools`)
    }
  })

  it("knows which TPMs have a resource manager, and which mounts are in memory", () => {
    const managed = ["/dev/tpmrm0", "/dev/tpm0", "tabrmd:bus_type=system", "swtpm:path=/run/s"].map((address) =>
      hasResourceManager(Result.getOrThrow(tctiOf(address)))
    )
    assert.deepStrictEqual(managed, [true, false, true, false])
    assert.deepStrictEqual([...memoryMounts("tmpfs /run tmpfs rw 0 0\n/dev/vda / ext4 rw 0 0\n")], ["/run"])
  })
})
