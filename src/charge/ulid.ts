import { randomBytes } from 'node:crypto'
import type { Ms } from '../time.ts'

const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** A name that sorts by when it was made: 48 bits of time and 80 of chance, 26 letters. @see github.com/ulid/spec */
export function ulid(nowMs: Ms, bytes: Uint8Array = randomBytes(10)): string {
  let value = BigInt(nowMs)
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  let text = ''
  for (let digit = 0; digit < 26; digit++) {
    text = (DIGITS[Number(value & 31n)] ?? '') + text
    value >>= 5n
  }
  return text
}
