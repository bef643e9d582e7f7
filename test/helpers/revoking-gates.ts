import { writeFileSync } from 'node:fs'
import type { Test } from 'tap'
import { type EngineDouble, startEngine } from './engine.ts'
import { type GateProcess, NEVER_SHEDS, runGate } from './gate-process.ts'
import { type Issuer, startIssuer } from './issuer.ts'
import { freePort } from './ports.ts'

/** A stream that somebody reads. */
export interface OpenStream {
  /** Resolves with all of it when it has ended. */
  readonly text: Promise<string>
  /** Resolves when its first event is there. */
  readonly begun: Promise<void>
}

/** A gate that is a process of its own. */
export interface RevokingGate {
  readonly process: GateProcess
  readonly adminUrl: string
  readonly auditFile: string
  status(token: string): Promise<number>
  stream(token: string): OpenStream
  /** Asks for `/-/revocations`. */
  admin(method: 'GET' | 'POST' | 'DELETE', path?: string, body?: unknown): Promise<{ status: number; body: Shown }>
  /** What `/readyz` says of revocations. */
  detail(): Promise<Shown>
  /** Ends it as a kill does, and starts it anew on its ports. */
  restart(): Promise<void>
}

// biome-ignore lint/suspicious/noExplicitAny: every look into it is an assertion of its own
type Shown = any

/** Gates before one engine whose streams stay open; all of it ends with the test. @param yaml by the number of the gate */
export async function startRevokingGates(
  t: Test,
  { count, yaml }: { readonly count: number; readonly yaml: (number: number) => string }
): Promise<{ gates: readonly RevokingGate[]; issuer: Issuer; engine: EngineDouble; dir: string }> {
  const engine = await startEngine(t, { script: { kind: 'serve', events: 2, isHeld: true } })
  const issuer = await startIssuer(t)
  const dir = t.testdir()
  const gates: RevokingGate[] = []
  for (let number = 0; number < count; number++) {
    const [port, adminPort] = [await freePort(), await freePort()]
    const file = `${dir}/gate-${number}.yaml`
    const auditFile = `${dir}/audit-${number}.log`
    writeFileSync(
      file,
      `server: { listen: "127.0.0.1:${port}", drain: { accept: 1ms, timeout: 1s }, ${NEVER_SHEDS} }
admin: { listen: "127.0.0.1:${adminPort}" }
issuers: [{ name: corp, issuer: "${issuer.url}", jwks_url: "${issuer.jwksUrl}", audience: inference }]
pools: { p: { engine: vllm, targets: ["${engine.origin}"], models: [m] } }
teams: { team-a: { pool: p } }
audit: { to: audit-${number}.log }
${yaml(number)}`
    )
    const run = () => runGate(t, ['serve', '--config', file])
    const isOpen = async (of: GateProcess) => {
      await of.says('the gate is open')
      await of.says('keys are in use')
    }
    let process = run()
    await isOpen(process)
    const [url, adminUrl] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${adminPort}`]
    const chat = (token: string, isStream: boolean) =>
      fetch(`${url}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'm', stream: isStream, messages: [{ role: 'user', content: 'hi' }] })
      })
    gates.push({
      get process() {
        return process
      },
      adminUrl,
      auditFile,
      async status(token) {
        const answer = await chat(token, false)
        await answer.text()
        return answer.status
      },
      stream(token) {
        const begun = Promise.withResolvers<void>()
        const text = (async () => {
          const answer = await chat(token, true)
          let all = ''
          for await (const piece of answer.body ?? []) {
            all += Buffer.from(piece).toString()
            begun.resolve()
          }
          return all
        })()
        text.catch(() => {})
        return { text, begun: begun.promise }
      },
      async admin(method, path = '', body) {
        const answer = await fetch(`${adminUrl}/-/revocations${path}`, {
          method,
          headers: body === undefined ? {} : { 'content-type': 'application/json' },
          body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body)
        })
        return { status: answer.status, body: await answer.json() }
      },
      async detail() {
        const { checks } = (await (await fetch(`${adminUrl}/readyz`)).json()) as { checks: Shown[] }
        return checks.find(({ name }) => name === 'revocations').detail
      },
      async restart() {
        process.child.kill('SIGKILL')
        await process.exit
        process = run()
        await isOpen(process)
      }
    })
  }
  return { gates, issuer, engine, dir }
}
