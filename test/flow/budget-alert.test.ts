import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { stringify } from 'yaml'
import { scrapeOf } from '../helpers/scrape.ts'
import { lineOf, world } from '../helpers/world.ts'

const RULES = fileURLToPath(new URL('../../config/alerts.yml', import.meta.url))
const CHAT = '/v1/chat/completions'
const skip = spawnSync('promtool', ['--version']).error !== undefined && 'promtool is not installed'

t.test(
  'a team whose calls are refused for its budget raises the alert, though a little of it is left',
  { skip },
  async t => {
    const w = await world(t, {
      yaml: ({ engine, issuer }) => `
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
pools: { p: { engine: vllm, targets: ["${engine}"], models: [m] } }
teams: { team-a: { pool: p, budget: { tokens: 1000, per: day } } }
`
    })
    const usage = { prompt_tokens: 900, completion_tokens: 90, total_tokens: 990 }
    await w.engine.script({
      kind: 'json',
      body: { id: 'c', object: 'chat.completion', model: 'm', choices: [], usage }
    })
    const ask = async () => await w.ask(CHAT, { body: { model: 'm', messages: [{ role: 'user', content: 'hi' }] } })
    const first = await ask()
    await lineOf(w, first.headers.get('x-request-id'))
    const refused = await ask()
    t.strictSame([first.status, refused.status], [200, 429])
    await lineOf(w, refused.headers.get('x-request-id'))

    const scrape = await scrapeOf(w)
    t.match(scrape.value('tollgate_budget_used_ratio', { team: 'team-a', budget: 'tokens_per_day' }), 0.99)
    const series = ['tollgate_budget_used_ratio', 'tollgate_limit_refusals_total'].flatMap(name =>
      scrape.series(name).map(({ labels, value }) => {
        const pairs = Object.entries(labels).map(([label, text]) => `${label}="${text}"`)
        return { series: `${name}{${pairs.join(',')}}`, values: `_x2 ${value}x10` }
      })
    )
    const alert = {
      exp_labels: { severity: 'warning', team: 'team-a', budget: 'tokens_per_day' },
      exp_annotations: { summary: 'team-a has used tokens_per_day up; its calls are refused' }
    }
    const file = `${t.testdir()}/alert.yml`
    const alert_rule_test = [{ alertname: 'TollgateTeamBudgetExhausted', eval_time: '4m', exp_alerts: [alert] }]
    writeFileSync(
      file,
      stringify({ rule_files: [RULES], tests: [{ interval: '1m', input_series: series, alert_rule_test }] })
    )
    const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', file], { encoding: 'utf8' })
    t.equal(status, 0, `${stdout}${stderr}`)
  }
)
