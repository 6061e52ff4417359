/** PolicyA and PolicyC with SHA-384 in hexadecimal digits, the branches of PolicyB (TCG EK Credential Profile, B.6). */
export const policyBranchesSha384: readonly [string, string] = [
  "8bbf2266537c171cb56e403c4dc1d4b64f432611dc386e6f532050c3278c930e143e8bb1133824ccb431053871c6db53",
  "d6032ce61f2fb3c240eb3cf6a33237ef2b6a16f4293c22b455e261cffd217ad5b4947c2d73e63005eed2dc2b3593d165"
]
