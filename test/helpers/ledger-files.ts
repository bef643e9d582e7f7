import { join } from 'node:path'
import { type Verified, verifyLedger } from '../../src/bill/verify.ts'
import type { Ledger, LedgerInit } from '../../src/charge/ledger.ts'
import { openLedger } from '../../src/charge/open.ts'
import { type Recovered, recoverBoots } from '../../src/charge/recover.ts'
import { listBoots } from '../../src/segments/folder.ts'
import { type LedgerLine, lockFile, type UsageEvent } from '../../src/segments/format.ts'
import { linesOf, SegmentScan } from '../../src/segments/scan.ts'
import { CALL_DATA, usageLine } from './ledger-lines.ts'

/** What an open says, and a usage. */
export const OPEN = CALL_DATA
export const { call: _, ...USAGE } = usageLine(0, null).data

/** A ledger that tells what befalls it. */
export function ledgerIn(dir: string, init: Partial<LedgerInit> = {}): { ledger: Ledger; told: string[] } {
  const told: string[] = []
  const ledger = openLedger({
    dir,
    instance: 'gw-0',
    segmentBytes: 64 * 1024 * 1024,
    segmentMs: 3_600_000,
    nowMs: Date.now,
    onFailing: err => told.push(`failing ${(err as NodeJS.ErrnoException).code}`),
    onRecovered: () => told.push('recovered'),
    onLost: lines => told.push(`lost ${lines}`),
    ...init
  })
  return { ledger, told }
}

/** Every line of a folder. */
export function linesIn(dir: string): LedgerLine[] {
  return listBoots(dir).flatMap(({ boot, segments }) =>
    segments.flatMap(({ path }) => [...linesOf(path, new SegmentScan(boot))])
  )
}

/** Every usage of a folder. */
export function usagesIn(dir: string): UsageEvent[] {
  return linesIn(dir).filter(line => line.type === 'tollgate.usage.v1')
}

/** The errors that are found, as texts. */
export function errorsIn(dir: string): string[] {
  return textsOf(verifyLedger(dir), 'error')
}

export function textsOf({ findings }: Verified, severity: 'error' | 'note'): string[] {
  return findings.filter(finding => finding.severity === severity).map(({ code, message }) => `${code}: ${message}`)
}

/** Brings to an end what has died, and throws what went wrong. */
export async function recover(dir: string, own = ''): Promise<Recovered[]> {
  const all: Recovered[] = []
  const failures: unknown[] = []
  await recoverBoots(dir, own, Date.now, {
    recovered: what => all.push(what),
    failed: (_boot, err) => failures.push(err)
  })
  if (failures.length > 0) throw failures[0]
  return all
}

/** The path of the lock of the only boot that has one. */
export function lockIn(dir: string): string {
  const boot = listBoots(dir).find(({ hasLock }) => hasLock)
  if (boot === undefined) throw new Error('there is no lock')
  return join(dir, lockFile(boot))
}

/** Resolves when a question is answered by yes. */
export async function until(question: () => boolean): Promise<void> {
  while (!question()) await new Promise(resolve => setTimeout(resolve, 5))
}
