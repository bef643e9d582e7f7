import { argon2, argon2Sync, randomBytes, timingSafeEqual } from 'node:crypto'

/** What Argon2id costs: memory in KiB, passes over it, lanes. */
export interface Argon2Cost {
  readonly memoryKib: number
  readonly passes: number
  readonly lanes: number
}

/** A password as it is kept: what it cost, its salt, and what came out. */
export interface PasswordHash extends Argon2Cost {
  readonly salt: Buffer
  readonly tag: Buffer
}

/** What new passwords cost: the least that OWASP's Password Storage Cheat Sheet asks for. About 35 ms and 19 MiB each. */
export const COST: Argon2Cost = { memoryKib: 19_456, passes: 2, lanes: 1 }

/** Longer passwords are not hashed. In code points, after normalization. */
export const MAX_PASSWORD = 128

const SALT_BYTES = 16
const TAG_BYTES = 32
const PHC = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/
/** What a file may ask of this machine for one login: a quarter of a gigabyte, ten passes, eight lanes. */
const MOST: Argon2Cost = { memoryKib: 262_144, passes: 10, lanes: 8 }

/**
 * Reads a PHC string, `$argon2id$v=19$m=19456,t=2,p=1$SALT$TAG`.
 * @returns null for any other text, and for costs that are no Argon2 or more than a login may cost
 */
export function readPhc(text: string): PasswordHash | null {
  const [, m, t, p, salt = '', tag = ''] = PHC.exec(text) ?? []
  const cost = { memoryKib: Number(m), passes: Number(t), lanes: Number(p) }
  const isFit =
    cost.passes >= 1 &&
    cost.lanes >= 1 &&
    cost.memoryKib >= 8 * cost.lanes &&
    cost.memoryKib <= MOST.memoryKib &&
    cost.passes <= MOST.passes &&
    cost.lanes <= MOST.lanes
  if (!isFit) return null
  return { ...cost, salt: Buffer.from(salt, 'base64'), tag: Buffer.from(tag, 'base64') }
}

/** The text of a kept password, for a file. */
export function phcText({ memoryKib, passes, lanes, salt, tag }: PasswordHash): string {
  const bare = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '')
  return `$argon2id$v=19$m=${memoryKib},t=${passes},p=${lanes}$${bare(salt)}$${bare(tag)}`
}

/** True for a password that would cost something else if it were set today. */
export function isDated({ memoryKib, passes, lanes, tag }: PasswordHash): boolean {
  return memoryKib !== COST.memoryKib || passes !== COST.passes || lanes !== COST.lanes || tag.length !== TAG_BYTES
}

/**
 * What is hashed of a password: NFKC, so that keyboards that write an accent in two ways agree.
 * @returns null when it is empty or too long
 */
export function readPassword(text: string): string | null {
  // Before the normalization, which a long text would make longer still.
  if (text.length > 4 * MAX_PASSWORD) return null
  const password = text.normalize('NFKC')
  const length = [...password].length
  return length === 0 || length > MAX_PASSWORD ? null : password
}

/** Hashes a password anew. Runs in the thread pool. @param password as `readPassword` gives it */
export async function hashPassword(password: string, cost: Argon2Cost = COST): Promise<PasswordHash> {
  const salt = randomBytes(SALT_BYTES)
  return { ...cost, salt, tag: await derive(password, { ...cost, salt, tag: Buffer.alloc(TAG_BYTES) }) }
}

/** Whether it is the password that is kept. Takes some 35 ms, the same for right and wrong ones. */
export function verifyPasswordSync(password: string, kept: PasswordHash): boolean {
  return timingSafeEqual(argon2Sync('argon2id', parametersOf(password, kept)), kept.tag)
}

/** A hash that no password has, for names that nobody has: its verification does the same work and fails. */
export function dummyHash(cost: Argon2Cost = COST): PasswordHash {
  return { ...cost, salt: randomBytes(SALT_BYTES), tag: randomBytes(TAG_BYTES) }
}

function derive(password: string, kept: PasswordHash): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    argon2('argon2id', parametersOf(password, kept), (err, derived) => (err === null ? resolve(derived) : reject(err)))
  })
}

function parametersOf(password: string, { memoryKib, passes, lanes, salt, tag }: PasswordHash) {
  return { message: password, nonce: salt, parallelism: lanes, tagLength: tag.length, memory: memoryKib, passes }
}
