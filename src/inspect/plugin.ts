import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ByteCollector } from '../byte-collector.ts'
import { GateError } from '../errors.ts'
import type { Exchange, Identity } from '../exchange.ts'
import { callSize, FORM_SIZE } from '../tokens/call-size.ts'
import type { Bytes } from '../units.ts'
import type { BodyBudget, BodyHold } from './body-budget.ts'
import { readCall, readFormCall } from './call.ts'
import { checkContent } from './content.ts'
import type { Endpoints, Found } from './endpoints.ts'
import { readForm } from './form.ts'
import type { InspectOptions } from './options.ts'

/** What `inspect` looks a request up in. */
export interface Inspection {
  readonly endpoints: Endpoints
  readonly options: InspectOptions
  /** Who may send more than text may send longer bodies. */
  readonly mayMultimodal: (identity: Identity) => boolean
}

/** What `inspect` is given. */
export interface InspectPluginOptions {
  readonly inspectionOf: (exchange: Exchange) => Inspection
  /** The memory of all bodies together. */
  readonly budget: BodyBudget
}

interface Asked {
  readonly found: Found
  readonly limitBytes: Bytes
  /** From when its body is read. */
  hold: BodyHold | null
}

/** Finds the route before the body is read, reads the body once within its bound, and writes what is asked. */
export default fp<InspectPluginOptions>(
  async (app, { inspectionOf, budget }) => {
    const askedBy = new WeakMap<FastifyRequest, Asked>()

    app.addHook('onRequest', (request, _reply, done) => {
      const { exchange } = request
      const { endpoints, options, mayMultimodal } = inspectionOf(exchange)
      const found = endpoints.find(request.method, request.originalUrl)
      const limitBytes = mayMultimodal(exchange.identity) ? options.bodyMultimodalBytes : options.bodyTextBytes
      if (found.endpoint.model === 'events' && exchange.upgrade === null) {
        throw new GateError('TOLLGATE_INSPECT_UPGRADE')
      }
      checkContent(found.endpoint, request.headers, limitBytes)
      askedBy.set(request, { found, limitBytes, hold: null })
      done()
    })

    app.addHook('preParsing', (request, reply, payload, done) => {
      // Only now: a stranger is never told to go on sending.
      if (request.headers.expect !== undefined) reply.raw.writeContinue()
      done(null, payload)
    })

    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', (request, payload, done) => {
      const hold = budget.open()
      request.exchange.hold = hold
      const asked = askedBy.get(request)
      if (asked !== undefined) asked.hold = hold
      readBody(payload, asked?.limitBytes ?? 0, hold).then(body => done(null, body), done)
    })

    app.addHook('preHandler', (request, _reply, done) => {
      const asked = askedBy.get(request)
      if (asked === undefined) throw new GateError('TOLLGATE_STAGE_ORDER', { product: 'endpoint' })
      const body = Buffer.isBuffer(request.body) ? request.body : null
      // Nobody else needs it, and the request lives as long as its stream.
      request.body = undefined
      const { exchange } = request
      const { aliases } = inspectionOf(exchange).options
      exchange.bytesIn = body?.length ?? 0
      if (asked.found.endpoint.model !== 'form') {
        const { call, content } = readCall(asked.found, body, aliases)
        exchange.call = call
        // Parsed, it may take many times its bytes, for as long as the call waits for its place.
        if (content !== null && asked.hold?.add(content.parsedBytes) === false) {
          throw new GateError('TOLLGATE_INSPECT_OVERLOADED')
        }
        exchange.content = content
        if (content !== null) exchange.size = callSize(call.operation, content.fields)
        done()
        return
      }
      readForm(body ?? Buffer.alloc(0), request.headers['content-type'] ?? '')
        .then(form => {
          exchange.call = readFormCall(asked.found, form, aliases)
          exchange.form = form
          exchange.size = FORM_SIZE
        })
        .then(() => done(), done)
    })
  },
  { name: 'tollgate-inspect', dependencies: ['tollgate-authenticate'] }
)

/** Gathers the body, and stops at the first byte over the limit, whatever length was declared. */
function readBody(payload: NodeJS.ReadableStream, limitBytes: Bytes, hold: BodyHold): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let body = new ByteCollector()
    const refuse = (error: GateError) => {
      payload.off('data', onData)
      payload.pause()
      body = new ByteCollector()
      // At once, not when the caller has gone: others that come in the same moment need not be turned away too.
      hold.release()
      reject(error)
    }
    const onData = (piece: Buffer) => {
      if (body.length + piece.length > limitBytes) {
        refuse(new GateError('TOLLGATE_INSPECT_SIZE', { limitBytes }))
        return
      }
      const before = body.heldBytes
      body.add(piece)
      if (!hold.add(body.heldBytes - before)) refuse(new GateError('TOLLGATE_INSPECT_OVERLOADED'))
    }
    payload.on('data', onData)
    payload.once('end', () => resolve(body.take()))
    payload.once('error', reject)
    // Emitted by the request itself, which joins small chunks before they come here.
    payload.once('too-many-chunks', () => refuse(new GateError('TOLLGATE_INSPECT_CHUNKS')))
  })
}
