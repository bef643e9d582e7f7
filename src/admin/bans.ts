import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'
import type { Ban, Operator } from '../exchange.ts'
import type { Ms } from '../time.ts'
import { DURATION_PATTERN, readDurationMs } from '../units.ts'
import { operatorOf } from './guard.ts'

/** Where operators see and change who is banned. */
export interface BanDesk {
  list(): readonly Ban[]
  /** @returns null for an address that is never banned, or none, and where bans are off */
  add(address: string, of: { readonly forMs: Ms; readonly by: Operator }): Ban | null
  /** @returns false when it is not banned */
  lift(address: string, by: Operator): boolean
}

/** A ban as the second listener shows it. */
export interface BanShown {
  /** What is refused: an IPv4 address, or the network of an IPv6 one. */
  readonly key: string
  readonly address: string
  readonly reason: string
  readonly since: string
  readonly until: string
  readonly times: number
}

const DEFAULT_FOR = '1h'
const MAX_FOR_MS: Ms = 30 * 86_400_000

/**
 * `GET /-/bans` lists, `POST /-/bans` with `{ address, for }` bans by hand, `DELETE /-/bans/KEY`, or with `{ address }`, lifts. For
 * the scope of operators.
 */
export function banRoutes(operators: FastifyInstance, desk: BanDesk, token: string | null): void {
  operators.get('/-/bans', () => ({ bans: desk.list().map(shown) }))

  operators.post('/-/bans', ({ body, raw }, reply) => {
    const { address, for: lasts = DEFAULT_FOR } = fieldsOf(body)
    const forMs = typeof lasts === 'string' && DURATION_PATTERN.test(lasts) ? readDurationMs(lasts) : 0
    if (typeof address !== 'string' || forMs <= 0 || forMs > MAX_FOR_MS) {
      return reply.code(400).send({ error: 'Wanted: { "address": "203.0.113.7", "for": "1h" }, for 30d at most.' })
    }
    const ban = desk.add(address, { forMs, by: operatorOf(raw, token) })
    if (ban !== null) return reply.code(201).send(shown(ban))
    return reply.code(409).send({
      error:
        'This is no address, or one that is never banned (loopback, a trusted proxy, clients.bans.never), or bans are off.'
    })
  })

  const lift = (address: unknown, raw: IncomingMessage) =>
    typeof address === 'string' && desk.lift(address, operatorOf(raw, token))
  operators.delete<{ Params: { '*': string } }>('/-/bans/*', ({ params, raw }, reply) =>
    lift(params['*'], raw) ? { lifted: true } : reply.code(404).send({ error: 'It is not banned.' })
  )
  operators.delete('/-/bans', ({ body, raw }, reply) =>
    lift(fieldsOf(body).address, raw) ? { lifted: true } : reply.code(404).send({ error: 'It is not banned.' })
  )
}

function shown({ key, ip, reason, sinceMs, untilMs, times }: Ban): BanShown {
  const text = (ms: Ms) => new Date(ms).toISOString()
  return { key, address: ip, reason, since: text(sinceMs), until: text(untilMs), times }
}

function fieldsOf(body: unknown): Readonly<Record<string, unknown>> {
  return typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {}
}
