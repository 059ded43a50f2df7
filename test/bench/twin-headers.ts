/** What a plaintext record says beside its Arrow bytes; nothing of it is signed. */
export const TWIN_HEADERS = {
  earliest: 'earliest',
  watermark: 'watermark',
  rows: 'rows',
  final: 'final',
} as const;
