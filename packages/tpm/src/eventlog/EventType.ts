/** The event types that replaying a log, or telling a person of it, has to know (PFP, "Event Types"). */
export const EventType = {
  noAction: 0x0000_0003,
  separator: 0x0000_0004,
  sCrtmVersion: 0x0000_0008,
  ipl: 0x0000_000d,
  efiVariableDriverConfig: 0x8000_0001,
  efiBootServicesApplication: 0x8000_0003,
  efiHcrtm: 0x8000_0010
} as const
