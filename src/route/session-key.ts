import { hash } from 'node:crypto'
import type { Content } from '../exchange.ts'

/** So much of a prompt tells one from another, and stays the same from turn to turn. */
const PREFIX_BYTES = 1_024
/** Members that begin with what an engine caches. */
const PROMPTS = ['messages', 'prompt', 'input', 'text']
const SESSION_ID = /^[\x21-\x7e]{1,256}$/

/**
 * The session of a call, for pools that keep one at one engine: what the caller names it in `x-session-id`, else the
 * beginning of its prompt. Of a team's own: two teams with one name for theirs have two.
 *
 * @returns 32 bits, or null when nothing tells
 */
export function sessionKey(team: string, sessionId: unknown, content: Content | null): number | null {
  if (typeof sessionId === 'string' && SESSION_ID.test(sessionId)) return bits(`${team}\n${sessionId}`)
  if (content === null) return null
  for (const name of PROMPTS) {
    const span = content.members.get(name)
    if (span === undefined) continue
    const end = Math.min(span.end, span.start + PREFIX_BYTES)
    return bits(`${team}\n${content.bytes.toString('latin1', span.start, end)}`)
  }
  return null
}

function bits(text: string): number {
  return hash('sha256', text, 'buffer').readUInt32LE(0)
}
