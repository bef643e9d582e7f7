import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Boot, listBoots, type SegmentFile, sealedPath } from '../segments/folder.ts'
import { type LedgerLine, LINE_TYPES, lockFile, type Open } from '../segments/format.ts'
import { takeLock } from '../segments/lock.ts'
import { readLines, SegmentScan } from '../segments/scan.ts'
import type { NowMs } from '../time.ts'
import type { Bytes } from '../units.ts'
import { crashData } from './record.ts'
import { type Book, SegmentWriter, syncFolder } from './segment-writer.ts'

/** What came of a boot that had died. */
export interface Recovered {
  readonly instance: string
  readonly boot: string
  /** Calls that had been open. */
  readonly crashed: number
  /** Bytes at the end that were no line; they stand in a file of their own. */
  readonly tornBytes: Bytes
}

const PIECE_BYTES: Bytes = 256 * 1024
/** So many lines are written between two looks at the disk. */
const LINES_AT_ONCE = 500

/**
 * Ends the boots of a folder whose process has died: cuts off a torn end, turns each open without a usage into a usage of
 * `gateway_crash`, and seals. It may itself be killed anywhere: every step is done again, or seen to be done.
 *
 * Boots that live, here or in other processes, are left alone.
 */
export async function recoverBoots(
  dir: string,
  own: string,
  nowMs: NowMs,
  on: { readonly recovered: (what: Recovered) => void; readonly failed: (boot: string, err: unknown) => void }
): Promise<void> {
  for (const boot of listBoots(dir)) {
    const isDead = boot.hasLock || boot.segments.some(({ isOpen }) => isOpen)
    if (boot.boot === own || !isDead) continue
    try {
      const what = await recoverLocked(dir, boot, nowMs)
      if (what !== null) on.recovered(what)
    } catch (err) {
      on.failed(boot.boot, err)
    }
  }
}

async function recoverLocked(dir: string, { instance, boot }: Boot, nowMs: NowMs): Promise<Recovered | null> {
  const lockPath = join(dir, lockFile({ instance, boot }))
  const lock = takeLock(lockPath)
  if (lock === null) return null
  try {
    // As it is now that nobody else changes it.
    const now = listBoots(dir).find(other => other.boot === boot && other.instance === instance)
    const what = now === undefined ? null : await recoverBoot({ dir, instance, boot, nowMs }, now)
    await rm(lockPath, { force: true })
    return what
  } finally {
    lock.release()
  }
}

/** @returns null when there was nothing to do */
async function recoverBoot(book: Book, { segments }: Boot): Promise<Recovered | null> {
  const files: SegmentFile[] = []
  let tornBytes = 0
  for (const file of segments) {
    if (!file.isOpen || file === segments.at(-1)) files.push(file)
    else tornBytes += await nameSealed(book, file, files)
  }
  for (;;) {
    const last = files.at(-1)
    if (last === undefined) return tornBytes === 0 ? null : { ...named(book), crashed: 0, tornBytes }
    const { running, scan } = await readRunning(files)
    if (scan.seal !== null) {
      // It was killed between the seal and the name.
      if (last.isOpen) await rename(last.path, sealedPath(last.path))
      return scan.seal.data.end ? null : await finish(book, await follow(book, last, scan, running), running, tornBytes)
    }
    const cut = await cutTorn(last.path, scan)
    tornBytes += cut
    if (scan.lines > 0) {
      const whole = cut === 0 ? scan : await scanned(last)
      return await finish(book, SegmentWriter.resume(book, last, whole), running, tornBytes)
    }
    // It was killed before it had a head; the segment before says all.
    await rm(last.path)
    files.pop()
  }
}

/**
 * The next one was begun before the disk had all of this one. A kill leaves its seal; where the power was cut it is sealed as
 * it is, and what is missing shows.
 * @param named gets it @returns how many bytes were torn
 */
async function nameSealed(book: Book, file: SegmentFile, named: SegmentFile[]): Promise<Bytes> {
  const scan = await scanned(file)
  const cut = scan.seal === null ? await cutTorn(file.path, scan) : 0
  if (scan.seal !== null) await rename(file.path, sealedPath(file.path))
  else if (scan.lines > 0) await SegmentWriter.resume(book, file, await scanned(file)).seal(false)
  else await rm(file.path)
  if (scan.lines > 0) named.push({ ...file, path: sealedPath(file.path), isOpen: false })
  return cut
}

/** The segment that would have come next. */
async function follow(
  book: Book,
  { number }: SegmentFile,
  { seal, lastSeq }: SegmentScan,
  running: ReadonlyMap<number, Open>
): Promise<SegmentWriter> {
  const prev = seal?.data.chain ?? null
  const writer = SegmentWriter.create(book, { number: number + 1, seq: lastSeq + 1, prev, carried: running.size })
  for (const { data, time } of running.values()) writer.put(LINE_TYPES.open, JSON.stringify(data), '', time)
  await writer.commit()
  return writer
}

async function finish(
  book: Book,
  writer: SegmentWriter,
  running: ReadonlyMap<number, Open>,
  tornBytes: Bytes
): Promise<Recovered> {
  const { instance, boot } = book
  let count = 0
  for (const { data, time } of running.values()) {
    const subject = JSON.stringify(data.team ?? '')
    const more = `"specversion":"1.0","source":"${instance}/${boot}","subject":${subject},`
    writer.put(LINE_TYPES.usage, JSON.stringify(crashData(data)), more, time)
    if (++count % LINES_AT_ONCE === 0) await writer.commit()
  }
  await writer.seal(true)
  return { ...named(book), crashed: running.size, tornBytes }
}

const named = ({ instance, boot }: Book) => ({ instance, boot })

/** Calls without a usage, and what the last segment is like. */
async function readRunning(
  files: readonly SegmentFile[]
): Promise<{ running: ReadonlyMap<number, Open>; scan: SegmentScan }> {
  let from = files.length - 1
  for (let file = files[from]; from > 0 && file !== undefined; file = files[from]) {
    if (await carriesAll(file)) break
    from--
  }
  const running = new Map<number, Open>()
  let scan = new SegmentScan('')
  for (const file of files.slice(from)) {
    scan = await scanned(file, line => {
      if (line.type === 'tollgate.open.v1') running.set(line.data.call, line)
      else if (line.type === 'tollgate.usage.v1' && line.data.call !== null) running.delete(line.data.call)
    })
  }
  return { running, scan }
}

/** Whether a segment names every call that went on when it began: it may have been killed before it did. */
async function carriesAll({ path, boot }: SegmentFile): Promise<boolean> {
  let wanted: number | null = null
  for await (const lines of readLines(path, new SegmentScan(boot))) {
    for (const line of lines) {
      if (line.type === 'tollgate.segment.v1') wanted = line.data.carried
      else if (wanted !== null && line.type === 'tollgate.open.v1') wanted--
      if (wanted !== null && wanted <= 0) return true
    }
  }
  return false
}

async function scanned(file: SegmentFile, onLine: (line: LedgerLine) => void = () => {}): Promise<SegmentScan> {
  const scan = new SegmentScan(file.boot)
  for await (const lines of readLines(file.path, scan)) for (const line of lines) onLine(line)
  return scan
}

/** Takes what is behind the last good line out of a segment, into a file beside it. @returns how many bytes it was */
async function cutTorn(path: string, { goodBytes }: SegmentScan): Promise<Bytes> {
  const source = await open(path, 'r+')
  try {
    const { size } = await source.stat()
    if (size <= goodBytes) return 0
    const torn = await openTorn(path, goodBytes)
    try {
      const piece = Buffer.allocUnsafe(PIECE_BYTES)
      for (let at = goodBytes; at < size; ) {
        const { bytesRead } = await source.read(piece, 0, piece.length, at)
        if (bytesRead === 0) break
        await torn.writeFile(piece.subarray(0, bytesRead))
        at += bytesRead
      }
      await torn.sync()
    } finally {
      await torn.close()
    }
    await syncFolder(dirname(path))
    await source.truncate(goodBytes)
    await source.sync()
    return size - goodBytes
  } finally {
    await source.close()
  }
}

/** A file of a name that no earlier try has used. */
async function openTorn(path: string, at: Bytes): Promise<FileHandle> {
  for (let time = 0; ; time++) {
    try {
      return await open(`${sealedPath(path)}.torn-${at}${time === 0 ? '' : `-${time}`}`, 'wx', 0o640)
    } catch (err) {
      if (!(err instanceof Error && 'code' in err && err.code === 'EEXIST')) throw err
    }
  }
}
