import type { FastifyInstance } from 'fastify'
import type { Operator } from '../exchange.ts'
import { operatorOf } from './guard.ts'

/** Where operators revoke, as the second listener sees it. */
export interface RevocationDesk {
  list(): object
  /** @throws (rejects) an error with `why` when it cannot be done */
  add(request: unknown, by: Operator): Promise<{ readonly isNew: boolean }>
  /** @throws (rejects) an error with `why` when it cannot be done */
  lift(id: string, by: Operator): Promise<object>
}

const MAX_BODY = 16 * 1024
const STATUS: Readonly<Record<string, number>> = { invalid: 422, full: 409, unknown: 404, from_file: 409 }

/** The routes by which operators see, make and lift revocations. */
export function revocationRoutes(operators: FastifyInstance, desk: RevocationDesk, token: string | null): void {
  operators.register(async routes => {
    routes.setErrorHandler((err: Error & { why?: string; statusCode?: number }, _request, reply) => {
      const status = STATUS[err.why ?? ''] ?? err.statusCode ?? 500
      reply.code(status).send({ error: status === 500 ? 'The gate made a mistake.' : err.message })
    })
    routes.get('/-/revocations', () => desk.list())
    routes.post('/-/revocations', { bodyLimit: MAX_BODY }, async (request, reply) => {
      const done = await desk.add(request.body, operatorOf(request.raw, token))
      return reply.code(done.isNew ? 201 : 200).send(done)
    })
    routes.delete<{ Params: { id: string } }>(
      '/-/revocations/:id',
      async request => await desk.lift(request.params.id, operatorOf(request.raw, token))
    )
  })
}
