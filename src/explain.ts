import { checkHead } from './accept/head.ts'
import { readBearer } from './authenticate/bearer.ts'
import type { World } from './deps.ts'
import { GateError } from './errors.ts'
import type { Call, Identity } from './exchange.ts'
import { readCall } from './inspect/call.ts'

/** What one room decides. */
export interface Step {
  readonly room: string
  readonly verdict: 'pass' | 'refuse'
  readonly facts: Readonly<Record<string, unknown>>
  /** The error's code, when it refuses. */
  readonly code?: string
}

/** A request to explain. */
export interface Question {
  readonly token: string
  readonly method: string
  readonly path: string
  readonly body: Buffer | null
  readonly from: string
}

/** Walks the rooms in their order and stops at the first that refuses. */
export async function explain(world: World, question: Question): Promise<readonly Step[]> {
  const rules = world.app.rules()
  const { endpoints, options } = rules.inspection
  const rawHeaders = ['Host', 'localhost', 'Authorization', `Bearer ${question.token}`]
  const steps: Step[] = []
  const walk = async <T>(
    room: string,
    decide: () => T | Promise<T>,
    facts: (product: T) => Step['facts']
  ): Promise<T> => {
    try {
      const product = await decide()
      steps.push({ room, verdict: 'pass', facts: facts(product) })
      return product
    } catch (err) {
      if (!(err instanceof GateError)) throw err
      steps.push({
        room,
        verdict: 'refuse',
        code: err.code,
        facts: { status: err.row.status, answer: err.message, ...err.detail }
      })
      throw err
    }
  }
  try {
    await walk(
      'accept',
      () => checkHead({ httpVersion: '1.1', method: question.method, rawHeaders }, new Set()),
      () => ({ method: question.method, path: question.path })
    )
    const client = await walk(
      'identify',
      () => rules.resolveClient(question.from, rawHeaders),
      client => ({ ip: client.ip })
    )
    const identity = await walk(
      'authenticate',
      () => rules.verifier.verify(readBearer(rawHeaders, question.path)),
      identityFacts
    )
    const { call, content } = await walk(
      'inspect',
      () => readCall(endpoints.find(question.method, question.path), question.body, options.aliases),
      read => callFacts(read.call)
    )
    await walk(
      'authorize',
      () => rules.policy.authorize(identity, call),
      () => ({ scopes: [...identity.scopes] })
    )
    if (call.operation === 'usage') {
      await walk(
        'bill',
        () => rules.table.modelsOf(identity),
        () => ({ answer: 'the gate tells it itself', team: identity.team, sub: identity.sub })
      )
      return steps
    }
    await walk(
      'limit',
      () => rules.limiter.policiesOf({ identity, client }, call),
      policies => ({ limits: policies.map(({ name, amount }) => `${name}=${amount}`) })
    )
    if (call.operation === 'limits') return steps
    if (call.operation === 'models' || call.operation === 'model') {
      const models = rules.table.modelsOf(identity).filter(model => rules.policy.mayUseModel(identity, model))
      await walk(
        'route',
        () => {
          if (call.model !== null && !models.includes(call.model)) throw new GateError('TOLLGATE_ROUTE_MODEL')
        },
        () => ({ answer: 'the gate lists the models itself', models })
      )
    } else {
      const { targets } = await walk(
        'route',
        () => {
          const { name, options, targets } = rules.table.find(identity, call)
          return { name, options, targets, party: rules.table.partyOf(identity, undefined) }
        },
        ({ name, options, targets, party }) => ({
          pool: name,
          engine: options.engine,
          balance: options.balance,
          class: party.class,
          weight: party.weight,
          targets: targets.map(({ target }) => target.origin)
        })
      )
      const target = targets[0]?.target
      if (content !== null && target !== undefined) {
        await walk(
          'shape',
          () => rules.shaper.shape({ content, call, identity, target }),
          ({ bytes, removed, reporting }) => ({ bytes: bytes.length, removed, usage: reporting?.mode ?? 'off' })
        )
      }
    }
  } catch (err) {
    if (!(err instanceof GateError)) throw err
  }
  return steps
}

function identityFacts(identity: Identity): Step['facts'] {
  return {
    iss: identity.iss,
    sub: identity.sub,
    team: identity.team,
    role: identity.role,
    scopes: [...identity.scopes],
    expires: new Date(identity.expSec * 1000).toISOString(),
    kid: identity.kid
  }
}

function callFacts(call: Call): Step['facts'] {
  const { operation, kind, model, modelAsked, isStream, path } = call
  return {
    operation,
    kind,
    model,
    ...(model === modelAsked ? {} : { asked: modelAsked }),
    stream: isStream,
    sentAs: path
  }
}
