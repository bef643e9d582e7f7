import { writeFileSync } from 'node:fs'
import type { Test } from 'tap'
import { type EngineDouble, type EngineOptions, startEngine } from './engine.ts'
import { type GateProcess, NEVER_SHEDS, runGate } from './gate-process.ts'
import { makeKey, signWith } from './issuer.ts'
import { freePort } from './ports.ts'
import { readScrape, type Scrape } from './scrape.ts'
import { until } from './stores.ts'

const ISSUER = 'https://idp.example.com'

/** What one call uses in the end, by `answerAfter`. */
export const USED = 25

/** An engine's answer in one piece, after a while. */
export const answerAfter = (delayMs: number) => ({
  kind: 'json' as const,
  delayMs,
  body: {
    id: 'c',
    object: 'chat.completion',
    model: 'm',
    choices: [],
    usage: { prompt_tokens: USED - 5, completion_tokens: 5, total_tokens: USED }
  }
})

/** Resolves when each gate knows of so many. */
export async function everyKnows(gates: readonly OneOfGates[], count: number): Promise<void> {
  for (const gate of gates) await until(async () => (await gate.status()).gates === count)
}

/** A gate that is a process of its own, before an engine that others share. */
export interface OneOfGates {
  readonly process: GateProcess
  readonly url: string
  readonly adminUrl: string
  /** The header that all gates are asked with. */
  readonly authorization: string
  /** A chat with the token that all gates are asked with. */
  chat(body?: object): Promise<Response>
  /** What is left of a limit, as its holder is told. */
  limit(name: string): Promise<{ readonly remaining: number; readonly reset: string }>
  /** What its second listener tells Prometheus. */
  metrics(): Promise<Scrape>
  /** A fact of the check of limits in `/readyz`. */
  status(): Promise<{
    readonly isReady: boolean
    readonly store: string
    readonly gates: number
    readonly owed: number
    readonly unanswered: number
  }>
}

/** Several gates that differ in nothing but their ports; all of it ends with the test. @param yaml the keys from `teams` on */
export async function startGates(
  t: Test,
  init: { readonly count: number; readonly yaml: string; readonly engine?: EngineOptions }
): Promise<{ readonly gates: readonly OneOfGates[]; readonly engine: EngineDouble }> {
  const engine = await startEngine(t, init.engine)
  return { gates: await openGates(t, { ...init, origin: engine.origin }), engine }
}

/** The same before an engine that is there already. @param origin of the engine */
export async function openGates(
  t: Test,
  init: { readonly count: number; readonly yaml: string; readonly origin: string }
): Promise<readonly OneOfGates[]> {
  const key = makeKey()
  const dir = t.testdir({ 'jwks.json': JSON.stringify({ keys: [key.publicJwk] }) })
  const authorization = `Bearer ${await signWith(key, { iss: ISSUER })}`
  const open = async (number: number): Promise<OneOfGates> => {
    const [port, adminPort] = [await freePort(), await freePort()]
    const file = `${dir}/gate-${number}.yaml`
    writeFileSync(
      file,
      `server: { listen: "127.0.0.1:${port}", drain: { accept: 1ms, timeout: 5s }, ${NEVER_SHEDS} }
admin: { listen: "127.0.0.1:${adminPort}" }
issuers: [{ issuer: "${ISSUER}", jwks_file: jwks.json, audience: inference }]
pools: { p: { engine: vllm, targets: ["${init.origin}"], models: [m] } }
audit: { to: audit-${number}.log }
${init.yaml}`
    )
    const process = runGate(t, ['serve', '--config', file])
    await process.says('the gate is open')
    await process.says('keys are in use')
    const [url, adminUrl] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${adminPort}`]
    const headers = { authorization, 'content-type': 'application/json' }
    return {
      process,
      url,
      adminUrl,
      authorization,
      chat: body =>
        fetch(`${url}/v1/chat/completions`, {
          method: 'POST',
          headers,
          body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }], ...body })
        }),
      async limit(name) {
        const told = (await (await fetch(`${url}/v1/me/limits`, { headers })).json()) as {
          limits: { name: string; remaining: number; reset: string }[]
        }
        const found = told.limits.find(one => one.name === name)
        if (found === undefined) throw new Error(`no limit ${name}`)
        return found
      },
      metrics: async () => readScrape(await (await fetch(`${adminUrl}/metrics`)).text()),
      async status() {
        const ready = await fetch(`${adminUrl}/readyz`)
        const { checks } = (await ready.json()) as { checks: { name: string; detail: object }[] }
        const detail = checks.find(check => check.name === 'limits')?.detail
        return {
          isReady: ready.status === 200,
          ...(detail as { store: string; gates: number; owed: number; unanswered: number })
        }
      }
    }
  }
  const gates: OneOfGates[] = []
  // One after the other, so that no two find the same port free.
  for (let number = 0; number < init.count; number++) gates.push(await open(number))
  return gates
}
