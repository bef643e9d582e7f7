import type { FastifyInstance, FastifyRequest } from 'fastify'
import { hasToken } from './guard.ts'

/** Where operators revoke, as the second listener sees it. */
export interface RevocationDesk {
  list(): object
  /** @throws (rejects) an error with `why` when it cannot be done */
  add(request: unknown, by: Operator): Promise<{ readonly isNew: boolean }>
  /** @throws (rejects) an error with `why` when it cannot be done */
  lift(id: string, by: Operator): Promise<object>
}

/** Who asks. */
export interface Operator {
  readonly address: string
  /** `admin.token`, or `this machine` where there is none. */
  readonly by: string
}

const MAX_BODY = 16 * 1024
const STATUS: Readonly<Record<string, number>> = { invalid: 422, full: 409, unknown: 404, from_file: 409 }

/** The routes by which operators see, make and lift revocations. */
export function revocationRoutes(operators: FastifyInstance, desk: RevocationDesk, token: string | null): void {
  const operatorOf = ({ raw }: FastifyRequest): Operator => ({
    address: raw.socket.remoteAddress ?? '',
    by: token !== null && hasToken(raw, token) ? 'admin.token' : 'this machine'
  })
  operators.register(async routes => {
    routes.setErrorHandler((err: Error & { why?: string; statusCode?: number }, _request, reply) => {
      const status = STATUS[err.why ?? ''] ?? err.statusCode ?? 500
      reply.code(status).send({ error: status === 500 ? 'The gate made a mistake.' : err.message })
    })
    routes.get('/-/revocations', () => desk.list())
    routes.post('/-/revocations', { bodyLimit: MAX_BODY }, async (request, reply) => {
      const done = await desk.add(request.body, operatorOf(request))
      return reply.code(done.isNew ? 201 : 200).send(done)
    })
    routes.delete<{ Params: { id: string } }>(
      '/-/revocations/:id',
      async request => await desk.lift(request.params.id, operatorOf(request))
    )
  })
}
