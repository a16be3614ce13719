import { render } from "preact";
import "../../shared/tokens.css";
import "../../shared/base.css";
import "../../inbox/src/ui/layers.css";
import "./ui/page.css";
import "./ui/wire.css";
import "./phone/phone.css";
import { App } from "./app";
import { followProfile } from "./profile";
import { agent, follow, signIn } from "./state/store";
import { tell } from "./ui/problem";

followProfile();
render(<App />, document.getElementById("app")!);
follow();
const wanted = new URLSearchParams(location.search).get("agent");
void signIn(wanted === "paolo" ? "paolo" : agent.value).catch(tell);
