import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Issue } from '../caller.ts'
import { GateError } from '../errors.ts'
import { readBody } from './body.ts'
import type { Desk, TokenAnswer, TokenRequest } from './desk.ts'
import { MAX_AGE_SEC } from './options.ts'
import { readParameters } from './parameters.ts'
import { type Document, isKnown } from './published.ts'

/** What the mint's routes are given. */
export interface MintPluginOptions {
  readonly desk: Desk
  /** Which of `/login` and `/token` are served. */
  readonly paths: ReadonlySet<string>
  /** What everybody may read: keys and metadata. */
  readonly documents: readonly Document[]
}

const NOT_YET: Issue = {
  grant: null,
  sub: null,
  team: null,
  clientId: null,
  jti: null,
  kid: null,
  iss: null,
  iatSec: null,
  expSec: null
}

/** Answers `POST /login`, `POST /token`, and who asks for keys: identified, not authenticated. */
export default async function mint(app: FastifyInstance, options: MintPluginOptions): Promise<void> {
  await app.register(publish, options)
  await app.register(issueTokens, options)
}

async function publish(app: FastifyInstance, { documents }: MintPluginOptions): Promise<void> {
  for (const { path, type, read } of documents) {
    app.get(path, ({ exchange, headers }, reply) => {
      const { text, etag } = read()
      const isSame = isKnown(etag, headers['if-none-match'])
      exchange.status = isSame ? 304 : 200
      exchange.bytesOut = isSame ? 0 : Buffer.byteLength(text)
      reply.code(exchange.status).header('cache-control', `public, max-age=${MAX_AGE_SEC}`).header('etag', etag)
      if (isSame) reply.send()
      // Bytes, because Fastify gives a text of JSON a charset, which this type does not have.
      else reply.header('content-type', type).send(Buffer.from(text))
    })
  }
}

/** In a scope of its own, for it reads bodies. */
async function issueTokens(app: FastifyInstance, { desk, paths }: MintPluginOptions): Promise<void> {
  app.addHook('onRequest', ({ exchange }, _reply, done) => {
    exchange.issue = NOT_YET
    done()
  })
  app.addHook('preParsing', (request, reply, payload, done) => {
    if (request.headers.expect !== undefined) reply.raw.writeContinue()
    done(null, payload)
  })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, payload, done) => {
    readBody(payload).then(body => done(null, body), done)
  })

  const serve = (path: string, mayBeJson: boolean, issue: (request: TokenRequest) => Promise<TokenAnswer>) => {
    if (!paths.has(path)) return
    app.post(path, async (request, reply) => {
      const answer = JSON.stringify(await issue(requestFrom(request, mayBeJson)))
      const { exchange } = request
      exchange.status = 200
      exchange.bytesOut = Buffer.byteLength(answer)
      // RFC 6749 section 5.1: what holds a token is never kept.
      return reply
        .header('cache-control', 'no-store')
        .header('pragma', 'no-cache')
        .header('content-type', 'application/json; charset=utf-8')
        .send(answer)
    })
    app.route({
      method: ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
      url: path,
      // Before a body is read.
      onRequest: () => {
        throw new GateError('TOLLGATE_MINT_METHOD', { reason: 'method', allow: 'POST' })
      },
      handler: () => {}
    })
  }
  serve('/login', true, desk.login)
  serve('/token', false, desk.token)
}

function requestFrom(request: FastifyRequest, mayBeJson: boolean): TokenRequest {
  const { exchange, headers } = request
  const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
  exchange.bytesIn = body.length
  const head = { type: headers['content-type'], encoding: headers['content-encoding'], mayBeJson }
  return {
    parameters: readParameters(body, head),
    authorization: headers.authorization,
    client: exchange.client,
    tell: known => {
      exchange.issue = { ...(exchange.issue ?? NOT_YET), ...known }
    }
  }
}
