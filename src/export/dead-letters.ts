import { closeSync, constants, fstatSync, fsyncSync, readSync, writeFileSync } from 'node:fs'
import { openOrMake } from '../private-files.ts'
import type { UsageEvent } from '../segments/format.ts'

/** A record that a sink does not take, and why. */
export interface DeadLetter {
  readonly event: UsageEvent
  readonly reason: string
}

/**
 * Appends records that a sink does not take to a file, a line of JSON each: `{ at, sink, reason, event }`. On disk when it
 * returns. A record may stand there twice after a crash; its `id` tells.
 * @throws the file system's error
 */
export function bury(
  file: string,
  letters: readonly DeadLetter[],
  { sink, at }: { readonly sink: string; readonly at: string }
): void {
  const text = letters.map(({ event, reason }) => `${JSON.stringify({ at, sink, reason, event })}\n`).join('')
  const fd = openOrMake(file, constants.O_RDWR | constants.O_APPEND, 0o640)
  try {
    writeFileSync(fd, isTorn(fd) ? `\n${text}` : text)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** A full disk may have cut the line before. */
function isTorn(fd: number): boolean {
  const { size } = fstatSync(fd)
  const last = Buffer.alloc(1)
  return size > 0 && readSync(fd, last, 0, 1, size - 1) === 1 && last[0] !== 0x0a
}
