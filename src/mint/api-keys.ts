import { hash, randomBytes, randomInt, timingSafeEqual } from 'node:crypto'
import { inNetworks } from '../networks.ts'
import type { ApiKey } from './accounts.ts'

/** A key as it is shown, once, and what is kept of it. */
export interface NewApiKey {
  readonly id: string
  readonly key: string
  readonly digest: Buffer
}

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const ID_LENGTH = 12
const SECRET_BYTES = 32
/** 62 ** 43 is the first power above 2 ** 256. */
const SECRET_LENGTH = 43
const KEY = /^tg_([0-9A-Za-z]{12})_([0-9A-Za-z]{43})$/
const NOBODY = Buffer.alloc(32)

/** Pattern of an id. */
export const API_KEY_ID = /^[0-9A-Za-z]{12}$/

/** Makes a key: `tg_` and 12 letters that name it, `_` and 32 random bytes in base 62. */
export function makeApiKey(): NewApiKey {
  const id = Array.from({ length: ID_LENGTH }, () => BASE62[randomInt(62)]).join('')
  const secret = base62(randomBytes(SECRET_BYTES))
  return { id, key: `tg_${id}_${secret}`, digest: digestOf(secret) }
}

/**
 * Whose key it is. A key that nobody has takes the same comparison as one of somebody.
 * @returns null for a text that is no key, an unknown id, a wrong secret
 */
export function findApiKey(text: string, keys: ReadonlyMap<string, ApiKey>): ApiKey | null {
  const [, id = '', secret = ''] = KEY.exec(text) ?? []
  const known = keys.get(id)
  const isRight = timingSafeEqual(digestOf(secret), known?.digest ?? NOBODY)
  return known !== undefined && isRight ? known : null
}

/** The id in a key, for one that is well formed; says nothing of whether it is a good one. */
export function idOf(text: string): string | null {
  return KEY.exec(text)?.[1] ?? null
}

/** Whether a key may be used from an address. Networks as they stand in a file. */
export function mayUseFrom({ from }: Pick<ApiKey, 'from'>, ip: string): boolean {
  return from.length === 0 || inNetworks(from)(ip)
}

// One fast hash is enough: nobody guesses 256 random bits.
function digestOf(secret: string): Buffer {
  return hash('sha256', secret, 'buffer')
}

function base62(bytes: Buffer): string {
  let rest = BigInt(`0x${bytes.toString('hex')}`)
  let text = ''
  while (text.length < SECRET_LENGTH) {
    text = `${BASE62[Number(rest % 62n)]}${text}`
    rest /= 62n
  }
  return text
}
