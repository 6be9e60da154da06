import { lazy, Suspense } from "react";
import { Redirect, Route, Router, Switch } from "wouter";
import { basePath } from "./api/client";
import { Empty } from "./components/Empty";
import { Shell } from "./components/Shell";
import { TargetsPage } from "./pages/targets/TargetsPage";

// The editor and the graph are the heavy part: the other pages do without.
const QueryPage = lazy(() => import("./pages/query/QueryPage").then((m) => ({ default: m.QueryPage })));

/** The pages by their paths below the prefix hearth is served under. */
export function App() {
  return (
    <Router base={basePath}>
      <Shell>
        <Suspense fallback={<Empty>Loading…</Empty>}>
          <Switch>
            <Route path="/query" component={QueryPage} />
            <Route path="/targets" component={TargetsPage} />
            <Route>
              <Redirect to="/query" />
            </Route>
          </Switch>
        </Suspense>
      </Shell>
    </Router>
  );
}
