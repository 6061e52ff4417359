/** TPM_CC, the numbers of the commands that Patela uses (TPM 2.0 part 2, 6.5.2). */
export const CommandCode = {
  evictControl: 0x0120,
  nvUndefineSpace: 0x0122,
  nvDefineSpace: 0x012a,
  createPrimary: 0x0131,
  nvWrite: 0x0137,
  activateCredential: 0x0147,
  nvRead: 0x014e,
  policySecret: 0x0151,
  quote: 0x0158,
  contextLoad: 0x0161,
  contextSave: 0x0162,
  flushContext: 0x0165,
  nvReadPublic: 0x0169,
  policyOr: 0x0171,
  startAuthSession: 0x0176,
  getCapability: 0x017a,
  pcrRead: 0x017e
} as const
