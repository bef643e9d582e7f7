import { LRUCache } from 'lru-cache'
import { keyOf, readAddress } from '../identify/address.ts'
import type { Ms, NowMs } from '../time.ts'

/** What guesses are judged with. */
export interface GuessesInit {
  readonly nowMs: NowMs
  readonly log: { warn(facts: object, message: string): void }
  /** How late a wrong token is answered. */
  readonly delayMs?: Ms
}

/** What an address has tried of late. */
interface Tries {
  wrong: number
  waiting: number
  readonly sinceMs: Ms
}

const DELAY_MS: Ms = 500
const FORGET_MS: Ms = 600_000
/** After so many wrong ones a right one waits too: what is not answered at once is else known to be wrong. */
const FREE = 5
const MAX_WAITING = 8
const MAX_WAITING_ALL = 64
const MAX_ADDRESSES = 10_000
const LOG_EVERY_MS: Ms = 60_000
const MAX_LOGGED = 20

/**
 * Slows down who guesses the admin token: what an address can try is eight tokens per delay. A right token is answered at
 * once, unless its address has sent wrong ones.
 */
export class Guesses {
  readonly #nowMs: NowMs
  readonly #log: GuessesInit['log']
  readonly #delayMs: Ms
  readonly #tries = new LRUCache<string, Tries>({ max: MAX_ADDRESSES })
  #waiting = 0
  #logged = { sinceMs: Number.NEGATIVE_INFINITY, lines: 0 }

  constructor({ nowMs, log, delayMs = DELAY_MS }: GuessesInit) {
    this.#nowMs = nowMs
    this.#log = log
    this.#delayMs = delayMs
  }

  /** @param address of the peer @returns `busy` when too many wait already, whatever the token is */
  async judge(address: string, isRight: boolean): Promise<'right' | 'wrong' | 'busy'> {
    const tries = this.#triesOf(keyOf(readAddress(address) ?? address))
    if (isRight && tries.wrong < FREE) return 'right'
    if (!isRight) this.#note(address, tries)
    if (tries.waiting >= MAX_WAITING || this.#waiting >= MAX_WAITING_ALL) return 'busy'
    tries.waiting++
    this.#waiting++
    await new Promise(resolve => setTimeout(resolve, this.#delayMs))
    tries.waiting--
    this.#waiting--
    return isRight ? 'right' : 'wrong'
  }

  #triesOf(key: string): Tries {
    const now = this.#nowMs()
    const known = this.#tries.get(key)
    if (known !== undefined && Math.abs(now - known.sinceMs) < FORGET_MS) return known
    const tries = { wrong: 0, waiting: known?.waiting ?? 0, sinceMs: now }
    this.#tries.set(key, tries)
    return tries
  }

  /** The first, the tenth, the hundredth … of an address, and not many lines in a minute. */
  #note(address: string, tries: Tries): void {
    tries.wrong++
    if (!/^10*$/.test(String(tries.wrong))) return
    const now = this.#nowMs()
    if (Math.abs(now - this.#logged.sinceMs) >= LOG_EVERY_MS) this.#logged = { sinceMs: now, lines: 0 }
    if (++this.#logged.lines > MAX_LOGGED) return
    this.#log.warn({ address, wrong: tries.wrong }, 'wrong admin token')
  }
}
