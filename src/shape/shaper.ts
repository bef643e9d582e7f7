import { createHmac } from 'node:crypto'
import type { Engine } from '../engines/table.ts'
import { USAGE_HABITS, type UsageMode } from '../engines/usage.ts'
import { GateError } from '../errors.ts'
import type { Call, Content, Form, Identity, Outgoing, Reporting, Target } from '../exchange.ts'
import type { NowMs } from '../time.ts'
import { checkCaps, layersOf } from './caps.ts'
import { allowedFields, FORM_FIELDS, NEVER, REFUSED, TEMPLATE_KWARGS } from './fields.ts'
import { formContentType, newBoundary, writeForm } from './form.ts'
import { checkGrammars } from './grammars.ts'
import { type Fields, isRecord } from './json.ts'
import { checkMedia } from './media.ts'
import type { ShapeOptions } from './options.ts'
import { createReluctant, type Reluctant } from './reluctant.ts'
import { splice } from './splice.ts'
import { askInForm, usageOptions } from './stream-usage.ts'

/** A body as the engine shall see it, and the members that it does not see. */
export interface Shaped {
  readonly bytes: Buffer
  readonly removed: readonly string[]
  readonly reporting: Reporting | null
}

/** What a shaper is asked. */
export interface ShapeInit {
  readonly content: Content
  readonly call: Call
  readonly identity: Identity
  readonly target: Target
}

/**
 * Makes bodies fit for an engine: forces what shields one caller from another, caps what multiplies work, leaves out
 * what the engine alone should know, and refuses what cannot be left out without changing the question
 * (engines.md section 1.5). Nothing else changes by a byte.
 */
export interface Shaper {
  /** @throws TOLLGATE_SHAPE_CAP, TOLLGATE_SHAPE_FIELD, TOLLGATE_SHAPE_MEDIA with `param` */
  shape(init: ShapeInit): Shaped
  /** A form is written anew, with the fields of the API alone: what the engine reads has one reading. */
  shapeForm(
    form: Form,
    call: Call,
    target: Target
  ): { readonly outgoing: Outgoing; readonly removed: readonly string[]; readonly reporting: Reporting | null }
  readonly retreat: Reluctant['retreat']
}

/** Engines whose prefix caches can be kept apart by a salt. LMDeploy's cannot: it is off there unless switched on. */
const SALTED: ReadonlySet<Engine> = new Set(['vllm', 'sglang'])
/** Operations that fill no cache. */
const UNSALTED: ReadonlySet<string> = new Set(['tokenize', 'detokenize', 'count_tokens'])
/** Tools that run on the caller's side. Others would run in the engine or where it tells them to. */
const TOOL_TYPES: ReadonlySet<unknown> = new Set([undefined, 'function', 'custom'])
const MAX_LOGGED = 16

/**
 * Makes the shaper of a configuration.
 *
 * @param deps.own the secret of salts where a pool has no key; the same for as long as the process lives
 */
export function createShaper(options: ShapeOptions, deps: { readonly own: Buffer; readonly nowMs: NowMs }): Shaper {
  const reluctant = createReluctant(deps.nowMs)
  const modeFor = ({ pool, origin }: Target, team: string | null): UsageMode =>
    reluctant.modeOf(origin, options.pools.get(pool)?.usage ?? 'off', team)
  const extra = new Set(options.extraFields.filter(name => !NEVER.has(name)))
  const salts = new Map<string, string>()

  /** The same team has the same salt in every gate that knows the pool's key; nobody else can know it. */
  const saltOf = (pool: string, team: string): string => {
    const key = `${pool}\n${team}`
    let salt = salts.get(key)
    if (salt === undefined) {
      const secret = options.pools.get(pool)?.secret ?? deps.own
      salt = createHmac('sha256', secret).update(`tollgate cache salt\n${team}`).digest('base64url')
      // Teams that `*` lets in are named by tokens: they must not fill the memory.
      if (salts.size >= 10_000) salts.clear()
      salts.set(key, salt)
    }
    return salt
  }

  return {
    shape({ content, call, identity, target }) {
      const { fields, members } = content
      const allowed = allowedFields(call.operation)
      const set = new Map<string, string>()
      const remove = new Set<string>()
      const rename = new Map<string, string>()
      const isForeign = allowed === null && target.engine === 'openai'
      if (call.kind === 'multimodal' || (allowed === null && !isForeign)) checkMedia(fields, options.media)
      if (call.model !== call.modelAsked && call.model !== null) set.set('model', JSON.stringify(call.model))
      if (!isForeign) {
        // Of a route that the operator opened the fields are not known, but those that nobody may set are.
        for (const layer of layersOf(fields, options.caps, allowed === null)) {
          checkRefused(layer)
          checkCaps(layer, options.caps, target.engine)
          checkGrammars(layer)
        }
        for (const name of members.keys()) {
          if (allowed === null ? NEVER.has(name) : !allowed.has(name) && !extra.has(name)) remove.add(name)
        }
        checkTools(fields.tools)
        shapeTemplate(fields.chat_template_kwargs, set)
        if (call.operation === 'responses') forceOff(['store', 'background'], content, set)
        if (target.engine === 'swift') renameTokens(content, rename, remove)
        const isSalted = SALTED.has(target.engine) && !UNSALTED.has(call.operation)
        if (isSalted && options.pools.get(target.pool)?.isolateCache === true) {
          remove.delete('cache_salt')
          set.set('cache_salt', JSON.stringify(saltOf(target.pool, identity.team ?? '')))
        }
      }
      const mode = modeFor(target, identity.team)
      let reporting: Reporting | null = null
      if (mode !== 'off') {
        const asked = usageOptions({ mode, call, target, fields, own: textOf(content, 'stream_options') })
        if (asked.text !== null) set.set('stream_options', asked.text)
        reporting = asked.reporting
      }
      return { bytes: splice(content, { set, remove, rename }), removed: [...remove].slice(0, MAX_LOGGED), reporting }
    },
    shapeForm({ fields, file }, { model, isStream }, target) {
      const kept = new Map<string, readonly string[]>()
      const removed: string[] = []
      for (const [name, values] of fields) {
        if (FORM_FIELDS.has(name) || extra.has(name))
          kept.set(name, name === 'model' && model !== null ? [model] : values)
        else removed.push(name)
      }
      const mode = modeFor(target, null)
      const reporting =
        mode === 'off' ? null : askInForm(kept, isStream && USAGE_HABITS[target.engine].asksInForms, mode)
      const boundary = newBoundary()
      const bytes = writeForm({ fields: kept, file }, boundary)
      return { outgoing: { bytes, type: formContentType(boundary) }, removed: removed.slice(0, MAX_LOGGED), reporting }
    },
    retreat: reluctant.retreat
  }
}

/** The text of a member of the outermost object, or null where it is not there. */
function textOf({ bytes, members }: Content, name: string): string | null {
  const span = members.get(name)
  return span === undefined ? null : bytes.toString('utf8', span.start, span.end)
}

function checkRefused(fields: Fields): void {
  for (const name of Object.keys(fields)) {
    if (REFUSED.has(name) && fields[name] !== null) throw new GateError('TOLLGATE_SHAPE_FIELD', { param: name })
  }
}

function checkTools(tools: unknown): void {
  if (!Array.isArray(tools)) return
  for (const tool of tools) {
    if (!isRecord(tool) || !TOOL_TYPES.has(tool.type)) throw new GateError('TOLLGATE_SHAPE_FIELD', { param: 'tools' })
  }
}

/** Leaves of the template's arguments those that are known and simple: one of them would be a template itself. */
function shapeTemplate(kwargs: unknown, set: Map<string, string>): void {
  if (!isRecord(kwargs)) return
  const entries = Object.entries(kwargs)
  const kept = entries.filter(([name, value]) => TEMPLATE_KWARGS.has(name) && typeof value !== 'object')
  if (kept.length < entries.length) set.set('chat_template_kwargs', JSON.stringify(Object.fromEntries(kept)))
}

/** Nothing is kept in the engine, and nothing runs on when nobody waits for it. */
function forceOff(names: readonly string[], { fields, members }: Content, set: Map<string, string>): void {
  for (const name of names) if (fields[name] !== false || !members.has(name)) set.set(name, 'false')
}

/** ms-swift does not know the newer name, and would take the answer to be unbounded. */
function renameTokens({ members }: Content, rename: Map<string, string>, remove: Set<string>): void {
  if (!members.has('max_completion_tokens')) return
  if (members.has('max_tokens')) remove.add('max_tokens')
  rename.set('max_completion_tokens', 'max_tokens')
}
