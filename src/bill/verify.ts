import { readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type Boot, listBoots, type SegmentFile, sealedPath } from '../segments/folder.ts'
import { type LedgerLine, lockFile } from '../segments/format.ts'
import { isLocked } from '../segments/lock.ts'
import { linesOf, SegmentScan } from '../segments/scan.ts'

/**
 * Something about a ledger. `error`: a line is missing or is not what was written. `note`: nothing is lost, but somebody may
 * want to know.
 */
export interface LedgerFinding {
  readonly severity: 'error' | 'note'
  readonly code:
    | 'changed'
    | 'torn'
    | 'behind'
    | 'gap'
    | 'seal'
    | 'unsealed'
    | 'head'
    | 'chain'
    | 'missing'
    | 'removed'
    | 'open'
    | 'cut_off'
  /** The segment; null for what is about a boot. */
  readonly file: string | null
  readonly boot: string
  readonly message: string
}

/** What is in a folder, and what is wrong with it. */
export interface Verified {
  readonly boots: number
  readonly segments: number
  readonly lines: number
  readonly usages: number
  /** Of those, the ones whose gate had died. */
  readonly crashed: number
  /** Calls that are running in gates that live. */
  readonly running: number
  readonly findings: readonly LedgerFinding[]
  /** Findings that were left out, because there were too many. */
  readonly more: number
}

const MAX_FINDINGS = 1_000

/**
 * Reads every segment of a folder: checks, seals, chains, numbers that are missing, calls without a usage. Changes nothing,
 * holds one piece of a file and the numbers of calls that are open. Gates may go on writing.
 * @throws the file system's error when the folder cannot be read
 */
export function verifyLedger(dir: string): Verified {
  const totals = { boots: 0, segments: 0, lines: 0, usages: 0, crashed: 0, running: 0 }
  const findings: LedgerFinding[] = []
  let more = 0
  const found = (finding: LedgerFinding) => {
    if (findings.length < MAX_FINDINGS) findings.push(finding)
    else more++
  }
  const boots = listBoots(dir)
  const tornFiles = readdirSync(dir).filter(file => file.includes('.jsonl.torn-'))
  for (const boot of boots) {
    totals.boots++
    for (const file of tornFiles.filter(name => name.includes(boot.boot)))
      found({
        severity: 'note',
        code: 'cut_off',
        file,
        boot: boot.boot,
        message: 'what was behind the last whole line when its gate had died'
      })
    new BootCheck(dir, boot, totals, found).run()
  }
  return { ...totals, findings, more }
}

type Totals = { segments: number; lines: number; usages: number; crashed: number; running: number }

class BootCheck {
  readonly #boot: Boot
  readonly #totals: Totals
  readonly #isAlive: boolean
  readonly #found: (finding: LedgerFinding) => void
  /** Calls whose usage has not come. */
  readonly #open = new Set<number>()
  #lastSeq: number | null = -1
  #chain: string | null = null
  #isChainKnown = true
  #hasEnded = false

  constructor(dir: string, boot: Boot, totals: Totals, found: (finding: LedgerFinding) => void) {
    this.#boot = boot
    this.#totals = totals
    this.#found = found
    // Before the segments are read: what has no end then may get one meanwhile, and not the other way round.
    this.#isAlive = boot.hasLock && isLocked(join(dir, lockFile(boot))) !== false
  }

  run(): void {
    let number = 0
    for (const segment of this.#boot.segments) {
      if (segment.number > number) this.#missing(number, segment.number - 1)
      number = segment.number + 1
      this.#segment(segment)
    }
    const count = this.#open.size
    if (this.#isAlive) this.#totals.running += count
    else if (count > 0 && this.#hasEnded)
      this.#tell('error', 'open', null, `${count} calls were opened and have no usage`)
    else if (!this.#hasEnded && number > 0)
      this.#tell(
        'note',
        'open',
        null,
        `its gate has died; ${count} calls were open. The next start here writes them down`
      )
  }

  #missing(from: number, to: number): void {
    const what = from === to ? `segment ${from} is` : `segments ${from} to ${to} are`
    this.#isChainKnown = false
    if (from > 0) {
      this.#tell('error', 'missing', null, `${what} missing`)
      return
    }
    // Whoever keeps usage for a year takes away what is older.
    this.#tell('note', 'removed', null, `${what} not here`)
    this.#lastSeq = null
  }

  #segment(segment: SegmentFile): void {
    const scan = new SegmentScan(this.#boot.boot, this.#lastSeq)
    this.#totals.segments++
    for (const line of linesOf(segment.path, scan)) this.#note(line)
    const file = basename(scan.seal === null ? segment.path : sealedPath(segment.path))
    this.#totals.lines += scan.lines
    const isWritten = this.#isAlive && segment.isOpen && scan.seal === null
    const isLast = segment === this.#boot.segments.at(-1)
    for (const { kind, at, bytes } of scan.damages) {
      if (kind === 'torn' && isWritten) continue
      const isHarmless = kind === 'torn' && segment.isOpen && isLast
      this.#tell(isHarmless ? 'note' : 'error', kind, file, `${DAMAGES[kind]} (${bytes} bytes from byte ${at})`)
    }
    for (const { from, to } of scan.gaps)
      this.#tell('error', 'gap', file, from === to ? `line ${from} is missing` : `lines ${from} to ${to} are missing`)
    if (scan.sealFault !== null) this.#tell('error', 'seal', file, `the seal does not fit: ${scan.sealFault}`)
    if (scan.seal === null && !(segment.isOpen && isLast))
      this.#tell('error', 'unsealed', file, 'there is no seal at its end')
    this.#judgeHead(segment, scan, file)
    if (scan.lastSeq >= 0) this.#lastSeq = scan.lastSeq
    this.#isChainKnown = scan.seal !== null
    this.#chain = scan.seal?.data.chain ?? null
    this.#hasEnded = scan.seal?.data.end === true
  }

  #note(line: LedgerLine): void {
    if (line.type === 'tollgate.open.v1') this.#open.add(line.data.call)
    if (line.type !== 'tollgate.usage.v1') return
    this.#totals.usages++
    if (line.data.outcome === 'gateway_crash') this.#totals.crashed++
    if (line.data.call !== null) this.#open.delete(line.data.call)
  }

  #judgeHead({ instance, boot, number }: SegmentFile, { head, lines }: SegmentScan, file: string): void {
    if (head === null) {
      if (lines > 0) this.#tell('error', 'head', file, 'there is no head at its beginning')
      return
    }
    const { data } = head
    if (data.instance !== instance || data.boot !== boot || data.segment !== number)
      this.#tell('error', 'head', file, `by its head it is segment ${data.segment} of ${data.instance}/${data.boot}`)
    if (this.#isChainKnown && data.prev !== this.#chain)
      this.#tell('error', 'chain', file, 'it does not follow from the segment before')
  }

  #tell(severity: LedgerFinding['severity'], code: LedgerFinding['code'], file: string | null, message: string): void {
    this.#found({ severity, code, file, boot: this.#boot.boot, message })
  }
}

const DAMAGES = {
  changed: 'a line is not what was written',
  torn: 'the last line has no end',
  behind: 'something stands behind the seal'
} as const
