/** Response codes that decide what to do (TPM 2.0 part 2, 6.6.3). Format-one codes are without their P and N bits. */
export const ResponseCode = {
  failure: 0x101,
  handle: 0x08b,
  authFail: 0x08e,
  size: 0x095,
  policyFail: 0x09d,
  integrity: 0x09f,
  badAuth: 0x0a2,
  nvRange: 0x146,
  nvUninitialized: 0x14a,
  nvSpace: 0x14b,
  nvDefined: 0x14c,
  objectMemory: 0x902,
  sessionMemory: 0x903,
  yielded: 0x908,
  testing: 0x90a,
  nvRate: 0x920,
  lockout: 0x921,
  retry: 0x922,
  nvUnavailable: 0x923
} as const

/**
 * The code without the number of the handle, session or parameter that it complains about, and without the layer of
 * the software stack (TPM 2.0 part 2, 6.6.2, figure 25: bit 7 marks format one, bit 6 is P, bits 8 to 11 are N).
 */
export const plainCode = (code: number): number => {
  const low = code & 0xfff
  return (low & 0x80) === 0 ? low : low & 0xbf
}

const passing: ReadonlySet<number> = new Set([ResponseCode.yielded, ResponseCode.testing, ResponseCode.retry])

/** Whether the TPM did nothing and says that the same command may serve in a moment (TPM 2.0 part 1, 39.4). */
export const asksToTryAgain = (code: number): boolean => passing.has(plainCode(code))
