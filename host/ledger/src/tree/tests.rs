use proptest::prelude::*;

use super::*;

/// RFC 6962 §2.1, word for word.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(naive_split(leaves.len()));
            node_hash(&naive_root(left), &naive_root(right))
        }
    }
}

/// PATH(m, D[n]) of §2.1.1.
fn naive_path(m: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let k = naive_split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut path, sibling) = if m < k {
        (naive_path(m, left), naive_root(right))
    } else {
        (naive_path(m - k, right), naive_root(left))
    };
    path.push(sibling);
    path
}

/// SUBPROOF(m, D[n], b) of §2.1.2.
fn naive_subproof(m: usize, leaves: &[Hash], complete: bool) -> Vec<Hash> {
    if m == leaves.len() {
        return if complete { Vec::new() } else { vec![naive_root(leaves)] };
    }
    let k = naive_split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut proof, sibling) = if m <= k {
        (naive_subproof(m, left, complete), naive_root(right))
    } else {
        (naive_subproof(m - k, right, false), naive_root(left))
    };
    proof.push(sibling);
    proof
}

fn naive_split(len: usize) -> usize {
    let mut k = 1;
    while k * 2 < len {
        k *= 2;
    }
    k
}

fn leaves(count: usize) -> Vec<Hash> {
    (0..count).map(|i| leaf_hash(&i.to_be_bytes())).collect()
}

fn frontier(leaves: &[Hash]) -> Frontier {
    let mut frontier = Frontier::new();
    leaves.iter().for_each(|leaf| frontier.push(*leaf));
    frontier
}

fn inclusion(index: u64, leaves: &[Hash]) -> Vec<Hash> {
    ProofPlan::inclusion(index, leaves.len() as u64).unwrap().build(&Leaves(leaves)).unwrap()
}

fn consistency(old: u64, leaves: &[Hash]) -> Vec<Hash> {
    ProofPlan::consistency(old, leaves.len() as u64).unwrap().build(&Leaves(leaves)).unwrap()
}

#[test]
fn the_known_trees_of_certificate_transparency_have_their_known_roots() {
    let bodies: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    let leaves: Vec<_> = bodies.map(leaf_hash).to_vec();
    assert_eq!(hex::encode(leaves[0]), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    assert_eq!(
        hex::encode(frontier(&leaves).root()),
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    );
    assert_eq!(Frontier::new().root(), EMPTY_ROOT);
    assert_eq!(naive_root(&[]), EMPTY_ROOT);
}

#[test]
fn every_small_tree_agrees_with_the_recursive_definition() {
    let all = leaves(70);
    for size in 0..=all.len() {
        let leaves = &all[..size];
        let root = naive_root(leaves);
        assert_eq!(frontier(leaves).root(), root);
        assert_eq!(root_at(size as u64, &Leaves(leaves)).unwrap(), root);
        for index in 0..size {
            let proof = inclusion(index as u64, leaves);
            assert_eq!(proof, naive_path(index, leaves));
            verify_inclusion(&leaves[index], index as u64, size as u64, &proof, &root).unwrap();
        }
        for old in 1..=size {
            let proof = consistency(old as u64, leaves);
            assert_eq!(proof, naive_subproof(old, leaves, true));
            verify_consistency((old as u64, &naive_root(&leaves[..old])), (size as u64, &root), &proof)
                .unwrap();
        }
    }
}

#[test]
fn the_nodes_noted_while_appending_are_those_that_proofs_ask_for() {
    use std::collections::HashMap;
    struct Noted(HashMap<NodeId, Hash>);
    impl HashSource for Noted {
        type Error = NodeId;
        fn subtree(&self, node: NodeId) -> Result<Hash, NodeId> {
            self.0.get(&node).copied().ok_or(node)
        }
    }
    let (leaves, mut tree, mut noted) = (leaves(300), Frontier::new(), Noted(HashMap::new()));
    for leaf in &leaves {
        tree.push_noting(*leaf, |node, hash| assert!(noted.0.insert(node, *hash).is_none()));
    }
    for index in 0..300 {
        let plan = ProofPlan::inclusion(index, 300).unwrap();
        assert_eq!(plan.build(&noted), Ok(inclusion(index, &leaves)));
        assert!(plan.nodes().all(|node| noted.0.contains_key(&node)));
    }
    assert_eq!(root_at(299, &noted), Ok(naive_root(&leaves[..299])));
}

#[test]
fn proofs_outside_the_tree_are_refused() {
    let leaves = leaves(5);
    let root = naive_root(&leaves);
    assert!(matches!(ProofPlan::inclusion(5, 5), Err(TreeError::IndexBeyondSize { .. })));
    assert!(matches!(verify_inclusion(&leaves[0], 0, 0, &[], &root), Err(TreeError::IndexBeyondSize { .. })));
    for (old, new) in [(0, 5), (6, 5), (0, 0)] {
        assert!(matches!(ProofPlan::consistency(old, new), Err(TreeError::SizesOutOfOrder { .. })));
        let verdict = verify_consistency((old, &root), (new, &root), &[]);
        assert!(matches!(verdict, Err(TreeError::SizesOutOfOrder { .. })));
    }
    assert!(matches!(
        verify_consistency((5, &root), (5, &root), &[root]),
        Err(TreeError::ProofLength { .. })
    ));
    assert!(matches!(
        verify_consistency((3, &root), (5, &root), &[]),
        Err(TreeError::ProofLength { found: 0, .. })
    ));
    assert!(Leaves(&leaves).subtree(NodeId { level: 2, index: 1 }).is_err());
    assert!(Leaves(&leaves).subtree(NodeId { level: 64, index: 0 }).is_err());
}

#[test]
fn the_largest_tree_neither_overflows_nor_loops() {
    // Not the hashes but the lengths are looked at: a wrong length would be refused as such.
    let proof_of = |plan: ProofPlan| vec![EMPTY_ROOT; plan.build(&Nothing).unwrap().len()];
    for index in [0, 1, 1 << 63, u64::MAX - 2, u64::MAX - 1] {
        let proof = proof_of(ProofPlan::inclusion(index, u64::MAX).unwrap());
        let verdict = verify_inclusion(&EMPTY_ROOT, index, u64::MAX, &proof, &EMPTY_ROOT);
        assert!(matches!(verdict, Err(TreeError::RootMismatch { .. })), "{index}: {verdict:?}");
    }
    for old in [1, 2, 3, 1 << 63, (1 << 63) + 1, u64::MAX - 2, u64::MAX - 1] {
        let proof = proof_of(ProofPlan::consistency(old, u64::MAX).unwrap());
        let verdict = verify_consistency((old, &EMPTY_ROOT), (u64::MAX, &EMPTY_ROOT), &proof);
        assert!(matches!(verdict, Err(TreeError::RootMismatch { .. })), "{old}: {verdict:?}");
    }
}

/// A source where every subtree has the same hash.
struct Nothing;

impl HashSource for Nothing {
    type Error = std::convert::Infallible;

    fn subtree(&self, _: NodeId) -> Result<Hash, Self::Error> {
        Ok(EMPTY_ROOT)
    }
}

proptest! {
    #[test]
    fn larger_trees_agree_too(size in 1usize..1500, index in any::<prop::sample::Index>(), old in any::<prop::sample::Index>()) {
        let leaves = leaves(size);
        let (index, old) = (index.index(size), old.index(size) + 1);
        let root = naive_root(&leaves);
        prop_assert_eq!(frontier(&leaves).root(), root);
        prop_assert_eq!(inclusion(index as u64, &leaves), naive_path(index, &leaves));
        prop_assert_eq!(consistency(old as u64, &leaves), naive_subproof(old, &leaves, true));
    }

    #[test]
    fn a_frontier_survives_its_bytes(count in 0usize..600) {
        let tree = frontier(&leaves(count));
        let bytes = tree.to_bytes();
        prop_assert_eq!(Frontier::from_bytes(&bytes), Ok(tree));
        prop_assert!(Frontier::from_bytes(&bytes[..bytes.len() - 1]).is_err());
        prop_assert!(Frontier::from_bytes(&[&bytes[..], &[0; 32]].concat()).is_err());
    }

    #[test]
    fn an_altered_inclusion_proof_does_not_hold(
        size in 2usize..200, index in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), bit in 0usize..256,
    ) {
        let leaves = leaves(size);
        let index = index.index(size);
        let (root, leaf, proof) = (naive_root(&leaves), leaves[index], inclusion(index as u64, &leaves));
        let holds = |leaf, index: usize, size: usize, proof: &[Hash], root| {
            verify_inclusion(leaf, index as u64, size as u64, proof, root).is_ok()
        };
        prop_assert!(holds(&leaf, index, size, &proof, &root));
        let mut altered = proof.clone();
        altered[at.index(proof.len())][bit / 8] ^= 1 << (bit % 8);
        prop_assert!(!holds(&leaf, index, size, &altered, &root));
        prop_assert!(!holds(&leaf, index ^ 1, size, &proof, &root));
        prop_assert!(!holds(&leaf, index, size, &proof[..proof.len() - 1], &root));
        prop_assert!(!holds(&leaf, index, size, &[&proof[..], &[root]].concat(), &root));
        prop_assert!(!holds(&root, index, size, &proof, &root));
        prop_assert!(!holds(&leaf, index, size, &proof, &leaf));
    }

    #[test]
    fn an_altered_history_is_not_consistent(
        new in 3usize..200, old in any::<prop::sample::Index>(), changed in any::<prop::sample::Index>(),
    ) {
        let honest = leaves(new);
        let old = 1 + old.index(new - 1);
        let mut forked = honest.clone();
        forked[changed.index(old)] = EMPTY_ROOT;
        let old_root = naive_root(&honest[..old]);
        let (old, new) = (old as u64, new as u64);
        let proof = consistency(old, &honest);
        let holds = |proof: &[Hash], root: &Hash| verify_consistency((old, &old_root), (new, root), proof).is_ok();
        prop_assert!(holds(&proof, &naive_root(&honest)));
        prop_assert!(!holds(&proof, &naive_root(&forked)));
        prop_assert!(!holds(&consistency(old, &forked), &naive_root(&forked)));
        prop_assert!(!holds(&[&proof[..], &[EMPTY_ROOT]].concat(), &naive_root(&honest)));
    }
}
