import { assert, describe, it } from "@effect/vitest"
import { Option, Result, Schema } from "effect"
import { classifyFailure, plainCode, ResponseCode } from "../src/transport/classifyFailure.ts"
import { isWhole, nvReadCommand, readNvReadAnswer } from "../src/transport/nvReadCommand.ts"
import { readHandles, readLimits, readNvPublics } from "../src/transport/readAnswer.ts"
import { defaultTcti, hasResourceManager, tctiOf } from "../src/transport/Tcti.ts"
import { memoryMounts } from "../src/transport/workDirectory.ts"
import { bytes, failure, mutated, numbers } from "./fixtures.ts"

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
  })
})

describe("a read of NV memory without tpm2-tools", () => {
  /** What a TPM answers to a read of five bytes, of an index that is absent, and of one that was never written. */
  const answers = {
    data: bytes("8002 0000001a 00000000 00000007 0005 0102030405 0000 00 0000"),
    absent: bytes("8001 0000000a 0000018b"),
    unwritten: bytes("8001 0000000a 0000014a")
  }

  it("asks as the owner, with an empty password", () => {
    assert.deepStrictEqual(
      nvReadCommand(0x0180_0821, 7, 52),
      bytes("8002 00000023 0000014e 40000001 01800821 00000009 40000009 0000 00 0000 0034 0007")
    )
  })

  it("understands data and refusals, and nothing that is not just what was asked for", () => {
    const data = bytes("0102030405")
    assert.deepStrictEqual(Result.getOrThrow(readNvReadAnswer(answers.data, 5)), { answer: "data", data })
    assert.deepStrictEqual(Result.getOrThrow(readNvReadAnswer(answers.absent, 5)), { answer: "refused", code: 0x18b })
    assert.isTrue(Result.isFailure(readNvReadAnswer(answers.data, 6)))
    assert.isTrue(Result.isFailure(readNvReadAnswer(answers.data, 4)))
    for (const answer of Object.values(answers)) {
      assert.isTrue(isWhole(answer))
      for (let length = 0; length < answer.length; length += 1) {
        assert.isFalse(isWhole(answer.subarray(0, length)))
        assert.isTrue(Result.isFailure(readNvReadAnswer(answer.subarray(0, length), 5)))
      }
    }
  })

  it.prop(
    "a response that was altered is refused, or is data of the size that was asked for",
    [Schema.Int],
    ([seed]) => {
      const next = numbers(seed)
      for (const answer of Object.values(answers)) {
        const altered = mutated(answer, next)
        isWhole(altered)
        const read = readNvReadAnswer(altered, 5)
        if (Result.isSuccess(read) && read.success.answer === "data") assert.strictEqual(read.success.data.length, 5)
      }
    },
    { arbitrary: { runs: 500 } }
  )
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

  it("knows which TPMs have a resource manager, and which mounts are in memory", () => {
    const managed = ["/dev/tpmrm0", "/dev/tpm0", "tabrmd:bus_type=system", "swtpm:path=/run/s"].map((address) =>
      hasResourceManager(Result.getOrThrow(tctiOf(address)))
    )
    assert.deepStrictEqual(managed, [true, false, true, false])
    assert.deepStrictEqual([...memoryMounts("tmpfs /run tmpfs rw 0 0\n/dev/vda / ext4 rw 0 0\n")], ["/run"])
  })
})
